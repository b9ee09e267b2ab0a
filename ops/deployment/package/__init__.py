"""`repaint package`: the zip of each function, as the platform takes it.

functions/<name>/*.py  ──▶ its root  ┐
shared/**/*.py                       ├─▶ all of it compiled, where the runtime's Python is at hand
requirements.txt ──pip──▶ wheels     │            └─▶ one zip: from the same, the same bytes
package.patterns in serverless.yml   ┘
"""

from ops.deployment.package.build import OUTPUT, Built, build

__all__ = ["OUTPUT", "Built", "build"]
