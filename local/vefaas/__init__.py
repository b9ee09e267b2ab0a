"""The local veFaaS: the runtime that invokes functions, and the control plane's API."""
