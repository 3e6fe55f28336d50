/** Objects for the benchmarks. Deployments run the web server that the package carries, so that no image is pulled. */
export const HELLO_PORT = 8080;

const labelsOf = (name: string): Record<string, string> => ({ app: name });

export const deployment = (name: string, replicas: number): object => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: {
    replicas,
    selector: { matchLabels: labelsOf(name) },
    template: {
      metadata: { labels: labelsOf(name) },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            name: 'web',
            image: 'kedge.local/hello:1.0',
            ports: [{ containerPort: HELLO_PORT }],
            resources: { requests: { cpu: '10m', memory: '8Mi' } },
          },
        ],
      },
    },
  },
});

/** A Service for the pods of the Deployment. */
export const service = (name: string, deploymentName: string): object => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name },
  spec: { selector: labelsOf(deploymentName), ports: [{ port: 80, targetPort: HELLO_PORT }] },
});

/** A pod like those of a Deployment: 2.7 KB when stored. It is never scheduled. */
export const podBody = (name: string, labels: Readonly<Record<string, string>> = {}): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      labels: { app: 'bench', tier: 'web', 'pod-template-hash': '7c5ddbdf54', ...labels },
      annotations: {
        'example.com/checksum': 'b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c',
        note: 'x'.repeat(500),
      },
    },
    spec: {
      schedulerName: 'nobody',
      containers: [
        {
          name: 'web',
          image: 'registry.example.com/team/web:1.2.3',
          ports: [{ name: 'http', containerPort: 8080 }],
          env: [
            { name: 'MODE', value: 'production' },
            { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
          ],
          resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '256Mi' } },
          livenessProbe: { httpGet: { path: '/healthz', port: 'http' } },
          readinessProbe: { httpGet: { path: '/ready', port: 'http' } },
          volumeMounts: [{ name: 'config', mountPath: '/etc/web' }],
        },
      ],
      volumes: [{ name: 'config', configMap: { name: 'web' } }],
    },
  });
