"""Subtitles: from the words of a transcript to cues that people can read, and files of them.

`units` are what a line never breaks, `breaks` says how well it may break after each, `cues` chooses where cues end,
`lines` where lines do, `timing` when cues come and go, and `formats` writes them.
"""
