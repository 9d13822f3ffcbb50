/** The HTTP layer with a few endpoints of its own: routing, limits, input, rights, repaired request lines. */
import { connect } from 'node:net';
import { text as streamText } from 'node:stream/consumers';
import Type from 'typebox';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Operators } from '../src/compose/operators.ts';
import { json, text } from '../src/http/answer.ts';
import { AuditLog } from '../src/http/audit.ts';
import { buildFastify } from '../src/http/build-app.ts';
import { type Endpoint, endpoint } from '../src/http/endpoint.ts';
import { Gate } from '../src/http/gate.ts';
import { HttpPort, repairedRequest } from '../src/http/http-port.ts';

const ENDPOINTS: readonly Endpoint<null>[] = [
  endpoint({
    method: 'GET',
    path: '/echo',
    query: Type.Object({ name: Type.String({ minLength: 1 }) }),
    doc: '',
    handle: (_context, { query }) => text(query.name),
  }),
  endpoint({
    method: 'POST',
    path: '/sum',
    bodyKind: 'json',
    body: Type.Object({ a: Type.Integer(), b: Type.Integer() }, { additionalProperties: false }),
    doc: '',
    handle: (_context, { body }) => json(body.a + body.b),
  }),
  endpoint({
    method: 'PUT',
    path: '/form/:id',
    bodyKind: 'form',
    body: Type.Object({ cell: Type.Optional(Type.String()) }),
    changes: true,
    doc: '',
    handle: (_context, { params, body }) => json({ id: params['id'], cell: body.cell ?? null }),
  }),
  endpoint({
    method: 'POST',
    path: '/maybe',
    bodyKind: 'json',
    body: Type.Union([Type.Undefined(), Type.Null(), Type.Object({ ips: Type.Array(Type.String()) })]),
    doc: '',
    handle: (_context, { body }) => json(body?.ips ?? null),
  }),
  endpoint({
    method: 'GET',
    path: '/crash',
    doc: '',
    handle: () => Promise.reject(new Error('line 1\nline 2')),
  }),
];

let port: HttpPort;
let guarded: HttpPort;
const open = (): Promise<HttpPort> => HttpPort.open({ host: '127.0.0.1', port: 0 }, 'x.httpPort', 100);

const audit = new AuditLog({ file: '', fileBytesMax: 4096, filesMax: 1, entriesMax: 10 });

async function serve(target: HttpPort, operatorToken: string): Promise<void> {
  const operators = new Operators(operatorToken === '' ? [] : [{ name: 'operator', token: operatorToken }]);
  const app = await buildFastify({
    context: null,
    endpoints: ENDPOINTS,
    bodyBytesMax: 1024,
    gate: new Gate({ operators, reads: 'open', secretsNeedTls: false, nowMs: () => 0 }),
    audit,
    node: '127.0.0.1:1',
    role: 'meta',
    logger: null,
    forward: () => null,
  });
  target.serve(app.handler, app.repair);
}

const urlOf = (target: HttpPort, path: string): string => `http://127.0.0.1:${target.address.port}${path}`;
const get = (path: string, init?: RequestInit): Promise<Response> => fetch(urlOf(port, path), init);

beforeAll(async () => {
  port = await open();
  guarded = await open();
  await serve(port, '');
  await serve(guarded, 'secret-token');
});
afterAll(async () => {
  await Promise.all([port.close(), guarded.close()]);
});

/** Sends raw bytes and reads until the server closes. */
async function raw(target: HttpPort, bytes: string): Promise<string> {
  const socket = connect(target.address.port, '127.0.0.1');
  socket.write(bytes);
  return streamText(socket);
}

describe('routing', () => {
  it('answers plain types without a charset', async () => {
    const answer = await get('/echo?name=a%20b');
    expect([answer.status, answer.headers.get('content-type'), await answer.text()]).toEqual([
      200,
      'text/plain',
      'a b',
    ]);
    expect(answer.headers.get('content-encoding')).toBeNull();
    const list = await get('/sum', {
      method: 'POST',
      body: '{"a":1,"b":2}',
      headers: { 'content-type': 'application/json' },
    });
    expect([list.headers.get('content-type'), await list.text()]).toEqual(['application/json', '3']);
  });

  it('answers an unknown path 404 and a wrong method 405, both empty and without a type', async () => {
    for (const [path, method, status] of [
      ['/no/such/path', 'GET', 404],
      ['/echo', 'POST', 405],
      ['/sum', 'GET', 405],
      ['/form/7', 'DELETE', 405],
    ] as const) {
      const answer = await get(path, { method, body: method === 'POST' ? '{}' : undefined });
      expect([path, answer.status, answer.headers.get('content-type'), await answer.text()]).toEqual([
        path,
        status,
        null,
        '',
      ]);
    }
  });

  it('answers HEAD, a trailing slash and a failed endpoint', async () => {
    expect((await get('/echo?name=x', { method: 'HEAD' })).status).toBe(200);
    expect((await get('/echo/?name=x')).status).toBe(200);
    const crash = await get('/crash');
    expect([crash.status, await crash.json()]).toEqual([500, { success: false, message: 'line 1 line 2' }]);
  });
});

describe('input', () => {
  const post = (body: string): Promise<Response> =>
    get('/sum', { method: 'POST', body, headers: { 'content-type': 'application/json' } });

  it.each([
    ['nosuch', 'the body is not JSON'],
    ['{"a":1}', 'field b is missing'],
    ['{"a":1,"b":"x"}', 'field b must be integer'],
    ['{"a":1,"b":2,"c":3}', 'field c is not known'],
    ['', 'the body must be object'],
    ['[]', 'the body must be object'],
  ])('refuses the body %s', async (body, why) => {
    const answer = await post(body);
    expect(answer.status).toBe(400);
    expect(await answer.text()).toContain(why);
  });

  it.each([
    ['', 200, 'null'],
    ['null', 200, 'null'],
    ['{"ips":["a"]}', 200, '["a"]'],
    ['{"ips":"a"}', 400, 'field ips must be array'],
    ['[]', 400, 'the body must be object'],
  ])('takes a body that may be missing, or says what is wrong with it: %s', async (body, status, text) => {
    const answer = await get('/maybe', { method: 'POST', body });
    expect([answer.status, await answer.text()]).toEqual([status, text]);
  });

  it('refuses a path that cannot be decoded', async () => {
    const answer = await get('/form/%zz', { method: 'PUT' });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([400, 'text/plain']);
    expect(await answer.text()).toContain('/form/%zz');
  });

  it('refuses missing and empty parameters by name', async () => {
    expect(await (await get('/echo')).text()).toBe('parameter name is missing');
    const emptyName = await get('/echo?name=');
    expect(emptyName.status).toBe(400);
    expect(await emptyName.text()).toContain('parameter name');
  });

  it('refuses a body over the limit, and many parameters', async () => {
    expect((await post(`{"a":1,"b":2${' '.repeat(2000)}}`)).status).toBe(413);
    const many = Array.from({ length: 300 }, (_, i) => `p${i}=1`).join('&');
    expect((await get(`/echo?${many}`)).status).toBe(400);
  });

  it('reads forms, repeated and hostile names', async () => {
    const form = { method: 'PUT', headers: { 'content-type': 'application/x-www-form-urlencoded' } };
    const answer = await get('/form/10.0.0.1%3A9600', { ...form, body: 'cell=A+B&cell=C&__proto__=x' });
    expect(await answer.json()).toEqual({ id: '10.0.0.1:9600', cell: 'A B' });
  });
});

describe('rights', () => {
  const put = (headers: Record<string, string>): Promise<Response> =>
    fetch(urlOf(guarded, '/form/1'), { method: 'PUT', headers });

  it('takes a change from this machine without a token, if none is configured', async () => {
    expect((await get('/form/1', { method: 'PUT' })).status).toBe(200);
  });

  it('needs the configured token for changes only', async () => {
    expect((await put({})).status).toBe(401);
    expect((await put({ authorization: 'Bearer wrong' })).status).toBe(401);
    expect((await put({ authorization: 'Bearer secret-token' })).status).toBe(200);
    expect((await put({ 'x-apiauth-token': 'secret-token' })).status).toBe(200);
    expect((await fetch(urlOf(guarded, '/echo?name=x'))).status).toBe(200);
  });
});

describe('the audit of a call that another node passed on', () => {
  it('names the first caller, whom only an operator can name', async () => {
    const headers = { 'x-sofa-registry-origin': '10.0.0.9:1', authorization: 'Bearer secret-token' };
    const body = 'cell=A';
    expect((await fetch(urlOf(guarded, '/form/1'), { method: 'PUT', headers, body })).status).toBe(200);
    expect(audit.newest(1)).toMatchObject([
      {
        who: {
          operator: 'operator',
          from: expect.stringMatching(/^10\.0\.0\.9:1 by (::ffff:)?127\.0\.0\.1:\d+$/),
        },
        what: 'PUT /form/1',
        input: 'cell=A',
        outcome: 'done',
      },
    ]);
    headers.authorization = 'Bearer wrong';
    expect((await fetch(urlOf(guarded, '/form/1'), { method: 'PUT', headers, body })).status).toBe(401);
    expect(audit.newest(1)[0].who.from).toMatch(/^(::ffff:)?127\.0\.0\.1:\d+$/);
  });
});

describe('request lines that are not encoded', () => {
  it('are understood', async () => {
    const answer = await raw(
      port,
      'GET /echo?name=my app & é€ HTTP/1.1\r\nHost: x\r\nContent-type: text/plain\r\n\r\n',
    );
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(answer.split('\r\n\r\n')[1]).toBe('my app ');
  });

  it('get the 404 and 400 of their route', async () => {
    expect(await raw(port, 'GET /no such HTTP/1.1\r\nHost: x\r\n\r\n')).toMatch(/^HTTP\/1\.1 404 /);
    expect(await raw(port, 'GET /echo?nam e=1 HTTP/1.1\r\nHost: x\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
  });

  it('garbage is refused and the port lives on', async () => {
    expect(await raw(port, '\u0001\u0002garbage\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
    expect(
      await raw(port, `GET /echo?name=x HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`),
    ).toMatch(/^HTTP\/1\.1 431 /);
    expect((await get('/echo?name=x')).status).toBe(200);
  });

  it('only complete GETs are repaired', () => {
    expect(repairedRequest(Buffer.from('GET /a b HTTP/1.1\r\nHost: x\r\n\r\n'))?.url).toBe('/a%20b');
    expect(repairedRequest(Buffer.from('POST /a b HTTP/1.1\r\nHost: x\r\n\r\n'))).toBeNull();
    expect(repairedRequest(Buffer.from('GET /a b HTTP/1.1\r\nHost: x'))).toBeNull();
    expect(repairedRequest(undefined)).toBeNull();
  });
});

describe('the port', () => {
  it('answers that it starts before there are routes', async () => {
    const early = await open();
    try {
      const check = await fetch(urlOf(early, '/health/check'));
      expect([check.status, await check.json()]).toEqual([500, { success: false, message: 'starting' }]);
      expect((await fetch(urlOf(early, '/anything'))).status).toBe(503);
    } finally {
      await early.close();
    }
  });

  it('says which port is busy and what to do', async () => {
    await expect(HttpPort.open(port.address, 'session.httpPort', 10)).rejects.toThrow(
      `port ${port.address.port} is in use on 127.0.0.1: stop the program that has it, or choose another with --set session.httpPort=<port>`,
    );
  });
});
