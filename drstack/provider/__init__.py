"""The Pulumi provider plugin `pulumi-resource-drstack`: local sites, and every environment's entry on its witness."""
