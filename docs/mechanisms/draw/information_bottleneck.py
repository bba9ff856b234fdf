"""What is known of the outcome by what is kept of a row: ``python -m docs.mechanisms.draw.information_bottleneck``."""

from __future__ import annotations

from docs.mechanisms.draw.sheet import Plane, curve, dot, label, save
from tests.mechanisms import gaussian_channel

CROSS = (0.95, 0.8, 0.5)
BETAS = (0.85, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05)
PLANE = Plane(x=(0, 5.5), y=(0, 2), left=60, top=20, width=500, height=300)


def main() -> None:
    """Draw the closed form, what can be known at all, and trained encoders."""
    ideal = [PLANE.at(*gaussian_channel.curve(CROSS, 0.9 * 0.96**i)) for i in range(96)]
    parts = PLANE.scale([0, 1, 2, 3, 4, 5], [0, 0.5, 1, 1.5, 2])
    parts += [curve([p for p in ideal if p[0] <= PLANE.left + PLANE.width], "k0")]
    for beta in BETAS:
        at = PLANE.at(*gaussian_channel.trained(CROSS, beta, 1500))
        parts += [dot(at, "k1"), label(at[0] + 9, at[1] + 15, f"β {beta:g}", "k1")]
    parts += [
        label(*PLANE.at(0.12, 1.85), "I(Z; Y), nats"),
        label(PLANE.left + PLANE.width, 362, "I(X; Z), nats", "end"),
    ]
    parts += [label(*PLANE.at(3.3, 1.05), "closed form", "name k0"), label(*PLANE.at(3.3, 0.9), "trained", "name k1")]
    save("information_bottleneck", 640, 372, "The Gaussian bottleneck: closed-form curve and trained encoders", *parts)


if __name__ == "__main__":
    main()
