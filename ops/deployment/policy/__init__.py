"""What the functions' role has to allow, and who may take it on."""

from ops.deployment.policy.documents import role_policy, trust_policy

__all__ = ["role_policy", "trust_policy"]
