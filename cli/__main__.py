"""`python -m cli`: the console command where it is not installed, as in the image."""

from cli.main import main

if __name__ == "__main__":
    main(prog_name="stenolog")
