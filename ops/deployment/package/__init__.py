"""The zip of each function, as the platform takes it.

functions/<name>/*.py   ──▶ the zip's root ┐
shared/**/*.py                             ├─▶ compiled, if the runtime's Python is found
requirements.lock ──uv──▶ packages         │       └─▶ one zip: the same input, the same bytes
package.patterns in serverless.yml         ┘
"""

from ops.deployment.package.build import OUTPUT, Built, build

__all__ = ["OUTPUT", "Built", "build"]
