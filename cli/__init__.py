"""The console command `stenolog`."""
