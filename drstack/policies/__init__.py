"""What an environment must hold to survive the loss of a site, as a Pulumi policy pack.

`declared` judges the environment file, `planned` the resources of a stack; both are pure. `pack` tells the engine.
"""
