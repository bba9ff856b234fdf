"""Examples to train and measure models on, drawn from the embedded market's truth; one use case a file.

``draw(seed)`` gives the examples of one market: what reports would show as inputs, what came of it as target. The same
seed gives the same examples, and all seeds of a use case have as many of the same shapes.
"""
