"""What each trained model has to beat besides its own simple alternative; scikit-learn is needed here alone.

One use case a file, with ``RIVALS``: by name, ``fit(training)`` that returns what predicts outputs from inputs.
"""
