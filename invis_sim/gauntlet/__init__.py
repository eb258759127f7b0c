"""Run any client through everything that can go wrong, and judge what it made of it.

`plan.py` makes cases of what the kinds of faults declare, `device_plan.py` of the outlet's own
life, and `selection.py` takes some of them. `command.py` and `process.py` run a client safely;
`watch.py` and `witness.py` read from the journal what it did; `verdict.py` judges, and is pure;
`stays.py` judges clients that run on. `trials.py` makes one run of a client, `run.py` all of them.
`result.py` is the report as data, `report/` has a file for each form of it, and `expect.py`
compares it with the failures that are known.
"""
