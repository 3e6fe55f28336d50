/** Settings of `kedge server`. */
export const defaultServerConfig = {
  dataDir: '/var/lib/kedge/server',
  bindAddress: '0.0.0.0',
  port: 6443,
  portFile: '',
  advertiseAddress: '',
  tlsSan: [] as readonly string[],
  adminKubeconfig: '/etc/kedge/admin.kubeconfig',
  serviceCidr: '10.43.0.0/16',
  clusterCidr: '10.42.0.0/16',
  nodeCidrMaskSize: 24,
  clusterDomain: 'cluster.local',
  serviceNodePortRange: '30000-32767',
  tokenAuthFile: '',
  allowPrivileged: false,
  kubeletClientCertificate: '',
  kubeletClientKey: '',
  kubeletCertificateAuthority: '',
  kubeletVerifyServingCertificates: true,
  roles: ['apiserver', 'scheduler', 'controllers'] as readonly string[],
  kubeconfig: '',
  nodeMonitorGracePeriodSeconds: 40,
  logLevel: 'info',
};

export type ServerConfig = Readonly<typeof defaultServerConfig>;

export const serverConfigHelp: Readonly<Record<keyof ServerConfig, string>> = {
  dataDir: 'where the store and the certificates live',
  bindAddress: 'address to listen on',
  port: 'port of the api-server; 0 takes a free one',
  portFile: 'file that the port is written to once the server listens',
  advertiseAddress: 'address that other hosts reach this server at; the address of the default route when empty',
  tlsSan: 'more names and addresses for the serving certificate',
  adminKubeconfig: "where the administrator's kubeconfig is written",
  serviceCidr: 'addresses of Services',
  clusterCidr: 'addresses of pods; every node gets a part of it',
  clusterDomain: 'DNS domain of the cluster',
  nodeCidrMaskSize: "size of a node's part, as a prefix length",
  serviceNodePortRange: 'ports of NodePort Services',
  tokenAuthFile: 'CSV file of bearer tokens: token,user,uid,"group1,group2"',
  allowPrivileged: 'whether containers may be privileged; `make up` allows it',
  kubeletClientCertificate: "PEM file of the certificate that is shown to nodes; the cluster's own when empty",
  kubeletClientKey: 'PEM file of its private key',
  kubeletCertificateAuthority:
    "PEM file of the CA that nodes' serving certificates are from; the cluster's own when empty",
  kubeletVerifyServingCertificates:
    'whether they are verified; without, whoever is on the path can pose as a node: for kubelets that sign their own',
  roles: 'what to run here: apiserver, scheduler, controllers',
  kubeconfig: 'how the scheduler and controllers reach an api-server that is not in this process',
  nodeMonitorGracePeriodSeconds: 'seconds without a heartbeat after which a node counts as lost',
  logLevel: 'trace, debug, info, warn, error or fatal',
};
