"""`python -m drstack.components`: the component package as a Pulumi plugin, pulumi-resource-drstack-components."""

from drstack.components.package import serve

if __name__ == "__main__":
    serve()
