// Command gitopshealth judges resources by their status as kstatus does, and as Flux does with health check
// expressions in CEL. It reads {"expressions": {"inProgress", "failed", "current"}, "resources": {name: resource}} and
// writes {name: {"kstatus", "message", "flux"}}, as JSON.
package main

import (
	"encoding/json"
	"io"
	"log"
	"os"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/ext"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

type input struct {
	Expressions struct {
		InProgress string `json:"inProgress"`
		Failed     string `json:"failed"`
		Current    string `json:"current"`
	} `json:"expressions"`
	Resources map[string]map[string]any `json:"resources"`
}

type verdict struct {
	KStatus string `json:"kstatus"`
	Message string `json:"message"`
	Flux    string `json:"flux"`
}

type rule struct {
	program cel.Program
	status  status.Status
}

func main() {
	log.SetFlags(0)
	text, err := io.ReadAll(os.Stdin)
	check(err)
	var given input
	// Whole numbers are int64, as in objects that a client of Kubernetes reads.
	check(utiljson.Unmarshal(text, &given))
	// The order of Flux: RFC 0009.
	rules := []rule{
		{program(given.Expressions.InProgress), status.InProgressStatus},
		{program(given.Expressions.Failed), status.FailedStatus},
		{program(given.Expressions.Current), status.CurrentStatus},
	}
	found := map[string]verdict{}
	for name, resource := range given.Resources {
		computed, err := status.Compute(&unstructured.Unstructured{Object: resource})
		check(err)
		found[name] = verdict{computed.Status.String(), computed.Message, flux(rules, resource).String()}
	}
	check(json.NewEncoder(os.Stdout).Encode(found))
}

// flux returns what Flux finds: StatusEvaluator.Evaluate in github.com/fluxcd/pkg/runtime/cel (v0.117.0). What can't be
// evaluated is unknown, and waited for.
func flux(rules []rule, resource map[string]any) status.Status {
	observed, ok, err := unstructured.NestedInt64(resource, "status", "observedGeneration")
	if err == nil && ok {
		generation, ok, err := unstructured.NestedInt64(resource, "metadata", "generation")
		if err == nil && ok && observed != generation {
			return status.InProgressStatus
		}
	}
	for _, one := range rules {
		value, _, err := one.program.Eval(resource)
		if err != nil {
			return status.UnknownStatus
		}
		if value == types.True {
			return one.status
		}
	}
	return status.InProgressStatus
}

// program returns an expression in the environment of Flux: NewExpression in the same package.
func program(expression string) cel.Program {
	environment, err := cel.NewEnv(
		cel.HomogeneousAggregateLiterals(),
		cel.EagerlyValidateDeclarations(true),
		cel.DefaultUTCTimeZone(true),
		cel.CrossTypeNumericComparisons(true),
		cel.OptionalTypes(),
		ext.Strings(),
		ext.Sets(),
		ext.Encoders(),
	)
	check(err)
	parsed, issues := environment.Parse(expression)
	check(issues.Err())
	found, err := environment.Program(parsed, cel.EvalOptions(cel.OptOptimize))
	check(err)
	return found
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
