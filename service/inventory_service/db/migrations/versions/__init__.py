"""One module for each revision, named by its number. A released revision is not edited any more."""
