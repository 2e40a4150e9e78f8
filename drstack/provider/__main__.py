"""`python -m drstack.provider ENGINE`, as bin/pulumi-resource-drstack starts it."""

from drstack.provider.serve import main

main()
