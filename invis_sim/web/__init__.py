"""Outlets steered over HTTP while they run: the API, the events, the page.

    connection ─▶ Hypercorn (`server.py`) ─▶ `guard.py` ─▶ routes (`app.py`) ─▶ a handler (`api/`)

`opening.py` opens an outlet together with its control server; it is the only module here that is
imported where control is off. `api/` has a file for each resource, with its handlers and their
table, from which the routes and the OpenAPI document are made. `request.py` reads what a client
sends, `problems.py` says what is wrong with it. `static/` is the page.
"""
