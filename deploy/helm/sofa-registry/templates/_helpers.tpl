{{- define "sr.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{/* Labels that select the pods of a role. Takes a list: the root and the role. */}}
{{- define "sr.selector" -}}
app.kubernetes.io/name: {{ (index . 0).Chart.Name }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "sr.labels" -}}
{{ include "sr.selector" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
{{- end }}

{{- define "sr.embedded" -}}
{{- if eq .Values.store.url "" }}{{ if gt (int .Values.meta.replicas) 1 }}{{ fail "meta.replicas > 1 needs store.url: postgres://, mysql://, mariadb:// or etcd://" }}{{ end }}yes{{ end }}
{{- end }}

{{/* Name under which others reach a pod: of its StatefulSet, or its address. */}}
{{- define "sr.advertise" -}}
{{- if eq (index . 1) "session" }}$(POD_IP){{ else }}$(POD_NAME).{{ include "sr.name" (index . 0) }}-{{ index . 1 }}.$(POD_NAMESPACE).svc.{{ (index . 0).Values.clusterDomain }}{{ end }}
{{- end }}

{{- define "sr.pod" -}}
{{- $root := index . 0 }}{{- $role := index . 1 }}{{- $values := index $root.Values $role }}
{{- $ports := dict "meta" (list 9610 9615) "data" (list 9620 9622) "session" (list 9600 9603) }}
{{- $port := index $ports $role | first }}{{- $http := index $ports $role | last }}
{{- $v := $root.Values }}
metadata:
  labels: {{- include "sr.labels" . | nindent 4 }}
  annotations:
    prometheus.io/scrape: 'true'
    prometheus.io/port: {{ $http | quote }}
    prometheus.io/path: /metrics
spec:
  serviceAccountName: {{ include "sr.name" $root }}
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: {{ $v.terminationGracePeriodSeconds }}
  {{- with $v.imagePullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 1000
    runAsGroup: 1000
    fsGroup: 1000
    seccompProfile: { type: RuntimeDefault }
  topologySpreadConstraints:
    {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels: {{- include "sr.selector" (list $root $role) | nindent 10 }}
    {{- end }}
  {{- with $values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ $role }}
      image: {{ printf "%s:%s" $v.image.repository (default $root.Chart.AppVersion $v.image.tag) | quote }}
      imagePullPolicy: {{ $v.image.pullPolicy }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: { drop: [ALL] }
      env:
        - { name: POD_NAME, valueFrom: { fieldRef: { fieldPath: metadata.name } } }
        - { name: POD_NAMESPACE, valueFrom: { fieldRef: { fieldPath: metadata.namespace } } }
        - { name: POD_IP, valueFrom: { fieldRef: { fieldPath: status.podIP } } }
        - { name: SOFA_REGISTRY_ROLES, value: {{ $role }} }
        - { name: SOFA_REGISTRY_BIND, value: {{ $v.bind | quote }} }
        - { name: SOFA_REGISTRY_ADVERTISE, value: {{ include "sr.advertise" . | quote }} }
        # One name for all metas: every attempt to connect asks DNS again.
        - { name: SOFA_REGISTRY_METAS, value: {{ printf "%s-meta.%s.svc.%s:9610" (include "sr.name" $root) $root.Release.Namespace $v.clusterDomain | quote }} }
        - { name: SOFA_REGISTRY_DATA_CENTER, value: {{ $v.dataCenter | quote }} }
        - { name: SOFA_REGISTRY_ZONE, value: {{ $v.zone | quote }} }
        - { name: SOFA_REGISTRY_REPLICAS, value: {{ $v.replicas | quote }} }
        - { name: SOFA_REGISTRY_SLOT_COUNT, value: {{ $v.slotCount | quote }} }
        {{- if eq $role "meta" }}
        - { name: SOFA_REGISTRY_META_EXPECTED_DATA_NODES, value: {{ $v.data.replicas | quote }} }
        {{- if $v.store.url }}
        - { name: SOFA_REGISTRY_STORE, value: {{ $v.store.url | quote }} }
        {{- end }}
        {{- if $v.store.passwordSecret.name }}
        - { name: SOFA_REGISTRY_STORE_PASSWORD_FILE, value: /run/secrets/sofa-registry/store-password }
        {{- end }}
        {{- end }}
        {{- if $v.operatorTokenSecret.name }}
        - { name: SOFA_REGISTRY_OPERATOR_TOKEN_FILE, value: /run/secrets/sofa-registry/operator-token }
        {{- end }}
        {{- if $v.clusterTokenSecret.name }}
        - { name: SOFA_REGISTRY_CLUSTER_TOKEN_FILE, value: /run/secrets/sofa-registry/cluster-token }
        {{- end }}
        {{- if $v.tls.secretName }}
        - { name: SOFA_REGISTRY_TLS_CERT_FILE, value: /run/secrets/sofa-registry/tls.crt }
        - { name: SOFA_REGISTRY_TLS_KEY_FILE, value: /run/secrets/sofa-registry/tls.key }
        - { name: SOFA_REGISTRY_TLS_CA_FILE, value: /run/secrets/sofa-registry/ca.crt }
        - { name: SOFA_REGISTRY_TLS_PEER_NAME, value: {{ required "tls.peerName: the name the certificate is for" $v.tls.peerName | quote }} }
        - { name: SOFA_REGISTRY_TLS_CLIENTS, value: {{ $v.tls.clients }} }
        - { name: SOFA_REGISTRY_TLS_HTTP, value: {{ $v.tls.http }} }
        {{- end }}
        {{- range $key, $value := $v.settings }}
        - { name: {{ printf "SOFA_REGISTRY_%s" $key }}, value: {{ $value | quote }} }
        {{- end }}
      ports:
        - { name: registry, containerPort: {{ $port }} }
        - { name: http, containerPort: {{ $http }} }
      startupProbe:
        httpGet: { path: /health/live, port: http, scheme: {{ include "sr.scheme" $root }} }
        periodSeconds: 1
        failureThreshold: 60
      livenessProbe:
        httpGet: { path: /health/live, port: http, scheme: {{ include "sr.scheme" $root }} }
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 3
      readinessProbe:
        httpGet: { path: /health/ready, port: http, scheme: {{ include "sr.scheme" $root }} }
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: 2
      {{- if ne $role "meta" }}
      lifecycle:
        preStop:
          exec: { command: [/bin/sh, -c, {{ printf "sofa-registry drain --self; sleep %d" (int (default 0 $values.preStopSeconds)) | quote }}] }
      {{- end }}
      resources: {{- toYaml $values.resources | nindent 8 }}
      volumeMounts:
        - { name: tmp, mountPath: /tmp }
        - { name: state, mountPath: /var/lib/sofa-registry }
        {{- if include "sr.secrets" . }}
        - { name: secrets, mountPath: /run/secrets/sofa-registry, readOnly: true }
        {{- end }}
  volumes:
    - { name: tmp, emptyDir: {} }
    {{- if not (and (eq $role "meta") (include "sr.embedded" $root)) }}
    - { name: state, emptyDir: {} }
    {{- end }}
    {{- with include "sr.secrets" . }}
    - name: secrets
      projected:
        defaultMode: 0440
        sources: {{- . | nindent 10 }}
    {{- end }}
{{- end }}

{{- define "sr.scheme" -}}
{{- if and .Values.tls.secretName (eq .Values.tls.http "required") }}HTTPS{{ else }}HTTP{{ end }}
{{- end }}

{{/* Sources of the projected volume of secrets; only metas get the password of the store. */}}
{{- define "sr.secrets" -}}
{{- $v := (index . 0).Values }}
{{- if and (eq (index . 1) "meta") $v.store.passwordSecret.name }}
- secret: { name: {{ $v.store.passwordSecret.name }}, items: [{ key: {{ $v.store.passwordSecret.key }}, path: store-password }] }
{{- end }}
{{- if $v.operatorTokenSecret.name }}
- secret: { name: {{ $v.operatorTokenSecret.name }}, items: [{ key: {{ $v.operatorTokenSecret.key }}, path: operator-token }] }
{{- end }}
{{- if $v.clusterTokenSecret.name }}
- secret: { name: {{ $v.clusterTokenSecret.name }}, items: [{ key: {{ $v.clusterTokenSecret.key }}, path: cluster-token }] }
{{- end }}
{{- if $v.tls.secretName }}
- secret: { name: {{ $v.tls.secretName }} }
{{- end }}
{{- end }}
