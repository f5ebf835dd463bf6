// oidc-provider with the device flow, and a gate that lets only its living tokens through to a FHIR server: for the tests of core/sync.
// Listens on 127.0.0.1, prints "ready URL", ends with its standard input. Arguments: the FHIR server's address, how many requests the gate
// lets through with one token, as if it had then expired: a count, since a busy machine has no sense of time.
import http from 'node:http';
import Provider from 'oidc-provider';

const [fhir, requests] = process.argv.slice(2);
const used = new Map();
const server = http.createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: 'barefoot',
        application_type: 'native',
        grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
        redirect_uris: [],
        response_types: [],
        token_endpoint_auth_method: 'none',
      },
    ],
    cookies: { keys: ['only for tests'] },
    features: { deviceFlow: { enabled: true } },
    issueRefreshToken: () => true,
  });
  const oidc = provider.callback();
  server.on('request', async (request, response) => {
    if (!request.url.startsWith('/fhir')) return oidc(request, response);
    const token = request.headers.authorization?.replace(/^Bearer /, '');
    if (!token || !(await provider.AccessToken.find(token))) return response.writeHead(401).end();
    used.set(token, (used.get(token) ?? 0) + 1);
    if (used.get(token) > Number(requests)) return response.writeHead(401).end();
    const forwarded = http.request(
      fhir + request.url.slice('/fhir'.length),
      { method: request.method, headers: { ...request.headers } },
      (answer) => {
        response.writeHead(answer.statusCode, answer.headers);
        answer.pipe(response);
      },
    );
    forwarded.on('error', () => response.destroy());
    request.pipe(forwarded);
  });
  console.log(`ready ${issuer}`);
});
process.stdin.on('end', () => process.exit(0)).resume();
