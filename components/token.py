"""The names by which the engine knows the components.

Invariant: a component that was renamed goes by its old name too, so that no stack loses what it has.
"""

import pulumi

PACKAGE = "drstack-components"


def token(component: str) -> str:
    """The type of a component of the package that other languages add."""
    return f"{PACKAGE}:index:{component}"


def known_as(component: str, opts: pulumi.ResourceOptions | None) -> pulumi.ResourceOptions:
    """Options with the type under which stacks know a component that came into the package later."""
    before = pulumi.Alias(type_=f"drstack:components:{component}")
    return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(aliases=[before]))
