"""The world: everything the pretended vCenter holds, and what can happen to it.

In: a seed with sizes, then operations (from SOAP handlers, the control API, scripts, churn). Out: objects by
id, a log of changes by version, and who waits for them. Owns: the consistency of all links between objects.
All of it is synchronous and runs on the event loop; an operation is seen whole or not at all.
"""
