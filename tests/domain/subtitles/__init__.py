"""Tests of subtitles."""
