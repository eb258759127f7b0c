"""What can be done to a running outlet, as data.

A command is a small frozen struct: its fields are the keys that an author writes, its docstring is
the manual, its method `apply` is the effect. Steps of a scenario, `sim.do(...)`, the methods of the
handles and the command line all build these structs; an outlet is changed in no other way.

`command.py` says what a command is, one file each holds a command, `registry.py` lists them and
turns plain data into commands, `run.py` carries them out: all of a list, or none.
"""
