"""A citable archive of a campaign: written, checked, and run again. See docs/bundle.md.

contents.py    which files of a campaign belong in, which campaign it is
archive.py     the zip file: streamed, hashed, the same bytes for the same inputs
crate.py, boamps.py, spdx.py, lock.py, methods.py, texts.py   what is written about it
reading.py     an archive of whoever, read without extracting it
check.py       whether an archive is whole and says the same everywhere
reproduce.py, agreement.py   its plan run again, and whether the energies agree
"""
