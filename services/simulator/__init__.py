"""A vCenter that is not there: it speaks the vSphere SOAP API, for demo, tests and benchmarks.

In: SOAP calls of real vSphere clients on /sdk, and control operations (Python calls on `World`, JSON over
HTTP on /control, scripts, random churn). Out: answers as a vCenter 8 gives them, with true versions, and as a
sick one gives them when asked to. Owns: an inventory made from a seed number, and nothing outside its memory.

`app.simulated_vcenter(settings)` is the way in for tests and the demo, `python -m services.simulator` for
people.
"""
