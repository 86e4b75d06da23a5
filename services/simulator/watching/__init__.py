"""Views and the PropertyCollector: how clients browse and watch.

In: filter specs and waits from SOAP handlers, changes from the world's ledger. Out: XML of object contents
and update sets. Owns: views (`views.py`), which objects a spec selects (`selection.py`), what a filter's
objects did since a version (`filters.py`), and versions, pages and waiting (`collector.py`).
"""
