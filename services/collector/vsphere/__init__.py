"""The one place that speaks to vSphere: pyVmomi and SOAP stay in here.

Comes in: an endpoint with credentials.
Goes out: pages of changes in the domain's plain values, and `SightLost` for all that keeps us from them.
Owns: connections, TLS, sessions, property filters, translation.
"""
