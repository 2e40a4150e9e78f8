// Generate writes a package's SDK in one language: generate LANGUAGE SCHEMA FOLDER.
//
// It is the engine's own generator, called as a library: `pulumi package gen-sdk` asks a language host for it, and hosts
// that can do so are not served by the Go module proxy.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/blang/semver"
	golang "github.com/pulumi/pulumi/pkg/v3/codegen/go"
	"github.com/pulumi/pulumi/pkg/v3/codegen/nodejs"
	"github.com/pulumi/pulumi/pkg/v3/codegen/python"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
)

const tool = "drstack"

func main() {
	if len(os.Args) != 4 {
		fail(fmt.Errorf("usage: generate go|nodejs|python SCHEMA FOLDER"))
	}
	if err := generate(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fail(err)
	}
}

func generate(language, file, folder string) error {
	pkg, err := read(file)
	if err != nil {
		return err
	}
	files, err := files(language, pkg)
	if err != nil {
		return err
	}
	for name, body := range files {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, body, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func read(file string) (*schema.Package, error) {
	body, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var spec schema.PackageSpec
	if err := json.Unmarshal(body, &spec); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	named(&spec)
	pkg, diagnostics, err := schema.BindSpec(spec, alone{}, schema.ValidationOptions{})
	if err != nil {
		return nil, err
	}
	if diagnostics.HasErrors() {
		return nil, fmt.Errorf("%s: %w", file, diagnostics)
	}
	return pkg, nil
}

// named gives the SDKs names of ours: the generators' own are those of packages that Pulumi publishes.
func named(spec *schema.PackageSpec) {
	if spec.Version == "" {
		spec.Version = "0.0.0"
	}
	base := "drstack.invalid/sdk/" + spec.Name
	spec.Language = map[string]schema.RawMessage{
		"go":     schema.RawMessage(`{"respectSchemaVersion": true, "importBasePath": "` + base + `"}`),
		"nodejs": schema.RawMessage(`{"respectSchemaVersion": true, "packageName": "` + spec.Name + `-sdk"}`),
		"python": schema.RawMessage(`{"respectSchemaVersion": true}`),
	}
}

func files(language string, pkg *schema.Package) (map[string][]byte, error) {
	switch language {
	case "go":
		return golang.GeneratePackage(tool, pkg, nil)
	case "nodejs":
		return nodejs.GeneratePackage(tool, pkg, nil, nil, false, alone{})
	case "python":
		return python.GeneratePackage(tool, pkg, nil, alone{})
	}
	return nil, fmt.Errorf("no generator for %q; there are go, nodejs and python", language)
}

// alone is the loader for packages that refer to no other.
type alone struct{}

func (alone) LoadPackage(name string, _ *semver.Version) (*schema.Package, error) {
	return nil, refuse(name)
}

func (alone) LoadPackageV2(_ context.Context, other *schema.PackageDescriptor) (*schema.Package, error) {
	return nil, refuse(other.Name)
}

func (alone) LoadPackageReference(name string, _ *semver.Version) (schema.PackageReference, error) {
	return nil, refuse(name)
}

func (alone) LoadPackageReferenceV2(_ context.Context, other *schema.PackageDescriptor) (schema.PackageReference, error) {
	return nil, refuse(other.Name)
}

func refuse(name string) error {
	return fmt.Errorf("the schema refers to package %q; only schemas that stand alone are generated here", name)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
