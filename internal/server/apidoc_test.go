package server_test

import (
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/annals-io/annals/internal/access"
	"github.com/annals-io/annals/internal/server"
	"github.com/getkin/kin-openapi/openapi3"
)

// apiPage is the documentation of the API.
const apiPage = "../../docs/api.md"

// TestAPIPage checks that docs/api.md says what the table of routes and the document of
// the API say. -update rewrites what comes from them.
func TestAPIPage(t *testing.T) {
	c, err := apiDocument()
	check(t, err)
	b, err := os.ReadFile(apiPage)
	check(t, err)
	page := string(b)
	for name, text := range map[string]string{"matrix": matrix(), "operations": c.operations(t), "objects": c.objects()} {
		page = replaceSection(t, page, name, text)
	}
	if *update {
		check(t, os.WriteFile(apiPage, []byte(page), 0o644))
	} else if page != string(b) {
		t.Error("docs/api.md is not what the routes and openapi.json say: run the test with -update")
	}
	for _, code := range server.Codes() {
		if !strings.Contains(page, "\n### "+code+"\n") {
			t.Errorf("docs/api.md does not describe the problem %s", code)
		}
	}
}

// replaceSection replaces what is between two marks.
func replaceSection(t *testing.T, page, name, text string) string {
	t.Helper()
	begin, end := "<!-- "+name+" -->\n", "<!-- end -->"
	before, rest, ok := strings.Cut(page, begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("docs/api.md has no section %s", name)
	}
	return before + begin + text + end + after
}

// matrix returns the table of routes and permissions.
func matrix() string {
	var b strings.Builder
	b.WriteString("| route | append | read | export | admin | no credential |\n|---|---|---|---|---|---|\n")
	for _, r := range server.Routes() {
		fmt.Fprintf(&b, "| `%s` |", shortName(r.Name))
		for _, p := range []access.Permission{access.Append, access.Read, access.Export, access.Admin} {
			b.WriteString(yes(r.Open || r.Needs&p == r.Needs))
		}
		b.WriteString(yes(r.Open) + "\n")
	}
	return b.String()
}

func yes(is bool) string {
	if is {
		return " yes |"
	}
	return " |"
}

// shortName is a route's name without the prefix of the API.
func shortName(name string) string {
	return strings.Replace(strings.Replace(name, "/api/v1/audit", "", 1), "...", "", 1)
}

// operations returns the descriptions of all operations.
func (c *apiChecker) operations(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, r := range server.Routes() {
		item := c.doc.Paths.Value(strings.Replace(r.Pattern, "...", "", 1))
		if item == nil || item.GetOperation(r.Method) == nil {
			continue // which another test reports
		}
		c.operation(&b, r, item.GetOperation(r.Method), c.scriptsOf(t, r))
	}
	return b.String()
}

// operation writes the description of an operation.
func (c *apiChecker) operation(b *strings.Builder, r server.TestRoute, op *openapi3.Operation, scripts []string) {
	description, _, _ := strings.Cut(op.Description, "\n\nPermission: ")
	fmt.Fprintf(b, "### %s\n\n`%s`\n\n%s\n\n```\n", op.Summary, strings.Replace(r.Name, "...", "", 1), description)
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(b, "%-12s%s\n", name, text)
		}
	}
	line("Permission", r.Permission)
	for i, p := range op.Parameters {
		name := ""
		if i == 0 {
			name = "Parameters"
		}
		line(name, fmt.Sprintf("%-18s %-7s %s", p.Value.Name, p.Value.In, describe(p.Value.Description, p.Value.Schema)))
	}
	if op.RequestBody != nil {
		line("Request", strings.Join(slices.Sorted(maps.Keys(op.RequestBody.Value.Content)), " · "))
	}
	var errs []string
	for _, status := range slices.Sorted(maps.Keys(op.Responses.Map())) {
		response := op.Responses.Value(status).Value
		if status >= "400" {
			errs = append(errs, status)
			continue
		}
		line("Response", strings.TrimSpace(status+" "+content(response)+"  "+*response.Description))
	}
	line("Limits", extension(op, "x-limits"))
	line("Errors", strings.Join(errs, " · "))
	line("Retry", extension(op, "x-retry"))
	source := "internal/server/" + r.Source
	if len(scripts) > 0 {
		source += " · tests internal/server/testdata/" + strings.Join(scripts, ", ")
	}
	line("Source", source)
	line("Since", "0.1")
	b.WriteString("```\n\n")
}

func extension(op *openapi3.Operation, name string) string {
	text, _ := op.Extensions[name].(string)
	return text
}

// content returns the content types of a response and what they hold.
func content(r *openapi3.Response) string {
	var all []string
	for _, media := range slices.Sorted(maps.Keys(r.Content)) {
		all = append(all, strings.TrimSpace(media+" "+refName(r.Content[media].Schema)))
	}
	return strings.Join(all, ", ")
}

// refName returns the name of a schema that has one, or those of its alternatives.
func refName(s *openapi3.SchemaRef) string {
	if s.Ref != "" {
		return s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
	}
	var names []string
	for _, one := range s.Value.OneOf {
		names = append(names, refName(one))
	}
	return strings.Join(names, " or ")
}

// describe returns a description and the bounds of a value.
func describe(text string, s *openapi3.SchemaRef) string {
	v := s.Value
	var bounds []string
	if len(v.Enum) > 0 {
		bounds = append(bounds, strings.Trim(strings.Join(strings.Fields(fmt.Sprint(v.Enum)), ", "), "[]"))
	}
	if v.Min != nil && v.Max != nil {
		bounds = append(bounds, fmt.Sprintf("%.0f to %.0f", *v.Min, *v.Max))
	}
	if v.MaxLength != nil {
		bounds = append(bounds, fmt.Sprintf("at most %d bytes", *v.MaxLength))
	}
	if v.MaxItems != nil {
		bounds = append(bounds, fmt.Sprintf("at most %d", *v.MaxItems))
	}
	if v.Default != nil {
		bounds = append(bounds, fmt.Sprintf("default %v", v.Default))
	}
	if len(bounds) == 0 {
		return text
	}
	return strings.TrimPrefix(text+"; "+strings.Join(bounds, "; "), "; ")
}

// objects returns the descriptions of the schemas.
func (c *apiChecker) objects() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(c.doc.Components.Schemas)) {
		s := c.doc.Components.Schemas[name].Value
		fmt.Fprintf(&b, "### %s\n\n", name)
		if s.Description != "" {
			fmt.Fprintf(&b, "%s\n\n", s.Description)
		}
		b.WriteString("```\n")
		for _, member := range slices.Sorted(maps.Keys(s.Properties)) {
			p := s.Properties[member]
			required := ""
			if slices.Contains(s.Required, member) {
				required = "required"
			}
			fmt.Fprintln(&b, strings.TrimRight(fmt.Sprintf("%-22s %-10s %-9s %s", member, typeName(p), required, describe(p.Value.Description, p)), " "))
		}
		for _, one := range s.OneOf {
			fmt.Fprintln(&b, refName(one))
		}
		b.WriteString("```\n\n")
	}
	return b.String()
}

// typeName returns the type of a member.
func typeName(s *openapi3.SchemaRef) string {
	switch {
	case s.Ref != "":
		return refName(s)
	case s.Value.Type == nil || len(s.Value.Type.Slice()) > 2:
		return "any"
	case s.Value.Type.Is("array") && s.Value.Items != nil:
		return typeName(s.Value.Items) + "[]"
	}
	return strings.Join(s.Value.Type.Slice(), "|")
}

// scriptsOf returns the scripts that make requests of a route.
func (c *apiChecker) scriptsOf(t *testing.T, r server.TestRoute) (scripts []string) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	check(t, err)
	for _, file := range files {
		b, err := os.ReadFile(file)
		check(t, err)
		for _, step := range parseScript(t, string(b)) {
			method, target, _ := strings.Cut(step.request[0], " ")
			route, _ := c.route(httptest.NewRequest(method, target, nil))
			if route != nil && route.Method+" "+route.Path == strings.Replace(r.Name, "...", "", 1) {
				scripts = append(scripts, filepath.Base(file))
				break
			}
		}
	}
	return scripts
}
