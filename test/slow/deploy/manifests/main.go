// Reads manifests from standard input and refuses fields that the API types do not have, as the API server does in strict mode.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

var types = map[string]func() any{
	"v1/Service":                    func() any { return new(corev1.Service) },
	"v1/ServiceAccount":             func() any { return new(corev1.ServiceAccount) },
	"apps/v1/Deployment":            func() any { return new(appsv1.Deployment) },
	"apps/v1/StatefulSet":           func() any { return new(appsv1.StatefulSet) },
	"policy/v1/PodDisruptionBudget": func() any { return new(policyv1.PodDisruptionBudget) },
}

func main() {
	reader := utilyaml.NewYAMLReader(bufio.NewReader(os.Stdin))
	failed := false
	for {
		document, err := reader.Read()
		if err == io.EOF {
			break
		}
		var head metav1.PartialObjectMetadata
		if err == nil {
			err = yaml.Unmarshal(document, &head)
		}
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		if head.Kind == "" {
			continue
		}
		name := head.APIVersion + "/" + head.Kind
		create, known := types[name]
		if !known {
			err = fmt.Errorf("no such type")
		} else {
			err = yaml.UnmarshalStrict(document, create())
		}
		if err != nil {
			failed = true
			fmt.Printf("%s %s: %v\n", name, head.Name, err)
		} else {
			fmt.Printf("%s %s: ok\n", name, head.Name)
		}
	}
	if failed {
		os.Exit(1)
	}
}
