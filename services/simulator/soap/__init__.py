"""The wire format: SOAP 1.1 with vim25's typing.

In: request bodies as bytes, and values (`values.py`) that the rest of the simulator makes. Out: parsed calls
(`reader.py`) and response bodies (`writer.py`, `faults.py`). Owns: how a value looks as XML, and nothing of
what it means.
"""
