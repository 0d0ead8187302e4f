// Command scrapefields writes every field that a scrape job may have, one path a line, as the Prometheus that it is
// linked with reads it: from the yaml tags of config.ScrapeConfig and the types in it.
//
// A list adds nothing to a path, and `*` stands for any key: http_headers.*.files. Kinds of discovery that are not
// linked are only named; they are looked for in the sources, which are in the folder of the first argument.
package main

import (
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	common "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/model/relabel"
	_ "github.com/prometheus/prometheus/plugins"
)

var (
	nameMethod = regexp.MustCompile(`func \([^)]*Config\) Name\(\) string \{\s*return ([^}\s]+)\s*\}`)
	quoted     = regexp.MustCompile(`^"(\w+)"$`)
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: scrapefields FOLDER-OF-PROMETHEUS")
	}
	var job reflect.Type
	// The type with the kinds of discovery is made at run time, and shown to nobody but the parser.
	err := discovery.UnmarshalYAMLWithInlineConfigs(&config.ScrapeConfig{}, func(out any) error {
		job = reflect.TypeOf(out).Elem()
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	found := map[string]bool{}
	collect(job, "", found)
	for _, kind := range kinds(filepath.Join(os.Args[1], "discovery")) {
		found[kind+"_sd_configs"] = true
	}
	paths := make([]string, 0, len(found))
	for path := range found {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	for _, path := range paths {
		fmt.Println(path)
	}
}

// collect adds the fields of a type, which is found at a path.
func collect(of reflect.Type, path string, found map[string]bool) {
	for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
		of = of.Elem()
	}
	switch of {
	case reflect.TypeFor[common.URL](), reflect.TypeFor[relabel.Regexp]():
		return
	case reflect.TypeFor[targetgroup.Group]():
		// It is read by code, without tags.
		add(reflect.TypeFor[[]string](), path, "targets", found)
		add(reflect.TypeFor[map[string]string](), path, "labels", found)
		return
	}
	switch of.Kind() {
	case reflect.Map:
		add(of.Elem(), path, "*", found)
	case reflect.Struct:
		for i := range of.NumField() {
			field := of.Field(i)
			name, options, _ := strings.Cut(field.Tag.Get("yaml"), ",")
			switch {
			case !field.IsExported() || name == "-":
			case slices.Contains(strings.Split(options, ","), "inline"):
				collect(field.Type, path, found)
			case name == "":
				log.Fatalf("%s.%s has no yaml tag", of, field.Name)
			default:
				add(field.Type, path, name, found)
			}
		}
	}
}

func add(of reflect.Type, path, name string, found map[string]bool) {
	if path != "" {
		name = path + "." + name
	}
	found[name] = true
	collect(of, name, found)
}

// kinds returns the names of all kinds of discovery in the sources below a folder.
func kinds(folder string) []string {
	var names []string
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, method := range nameMethod.FindAllSubmatch(source, -1) {
			name := quoted.FindSubmatch(method[1])
			if name == nil {
				return fmt.Errorf("%s: the name of a kind of discovery is no literal", path)
			}
			if kind := string(name[1]); kind != "static" {
				names = append(names, kind)
			}
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	return names
}
