"""Run any client through everything that can go wrong, and judge what it made of it.

`plan.py` makes cases of what the kinds of faults declare, and `selection.py` takes some of them.
`command.py` and `process.py` run a client safely; `witness.py` reads from the journal what it did;
`verdict.py` judges, and is pure; `run.py` puts these together for all cases, some at a time.
`result.py` is the report as data, `report/` has a file for each form of it, and `expect.py`
compares it with the failures that are known.
"""
