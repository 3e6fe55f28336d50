/** What is rolled out: the web server that the package carries, so that no image is pulled. */
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

/** Before the pods of the deployment of that name. */
export const service = (name: string, deploymentName: string): object => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name },
  spec: { selector: labelsOf(deploymentName), ports: [{ port: 80, targetPort: HELLO_PORT }] },
});
