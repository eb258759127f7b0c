"""The report of a run in each of its forms: a file for each, a function from `Report` to text."""
