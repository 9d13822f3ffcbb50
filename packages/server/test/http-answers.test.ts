/**
 * The answers of all three roles, on a registry of real tiers in this process, over real HTTP. Expected statuses, content types and
 * bodies are those recorded on the reference (reference/http-answers.md), with our own clear 400 where it answers a page of status 500.
 */
import { connect as connectSdk, type Registry as SdkRegistry } from '@sofa-registry/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makePlan } from '../src/compose/plan.ts';
import { Registry } from '../src/compose/registry.ts';
import { loadConfig } from '../src/config/effective.ts';

const ZERO_PORTS = ['session', 'data', 'meta'].flatMap((role) => [`${role}.port=0`, `${role}.httpPort=0`]);
const DATA_ID = 'golden.service:1.0@DEFAULT';
const INFO = `${DATA_ID}#@#DEFAULT_INSTANCE_ID#@#SOFA`;
const ID = encodeURIComponent(INFO);
const JSON_TYPE = 'application/json';

type Role = 'meta' | 'data' | 'session';
let registry: Registry;
let client: SdkRegistry;
let registerId = '';
let clientAddress = '';

beforeAll(async () => {
  const config = await loadConfig({ sets: [...ZERO_PORTS, 'store=memory:', 'log.level=error'], env: {} });
  registry = new Registry(await makePlan(config, {}), config);
  await registry.start();
  const session = registry.plan.roles[2].advertise;
  client = await connectSdk({ sessions: [session], app: 'golden-app' });
  const publication = await client.publish({ dataId: DATA_ID, group: 'SOFA' }, '10.10.1.1:12200?xx=yy');
  registerId = publication.registerId;
  const subscription = client.subscribe({ dataId: DATA_ID, group: 'SOFA', scope: 'global' });
  for await (const list of subscription) if (list.all.length === 1) break;
  // The subscriber's row shows the pushed version once its acknowledgement has arrived.
  await until(
    async () =>
      (await json('session', `/digest/sub/data/query?dataInfoId=${ID}`)).SUB?.[0].lastPushContexts
        .DefaultDataCenter.pushedNum === 1,
  );
  [clientAddress] = await json('session', '/connections/query');
}, 40_000);
afterAll(async () => {
  await client?.close();
  await registry?.stop();
});

async function until(condition: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 20_000;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error('it did not come to that');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const addressOf = (role: Role): string =>
  registry.plan.roles.find((entry) => entry.role === role)!.httpAddress;

async function ask(role: Role, request: string, body?: string, type = JSON_TYPE) {
  const [method, path] = request.split(' ');
  const headers = body === undefined ? undefined : { 'content-type': type };
  const answer = await fetch(`http://${addressOf(role)}${path}`, { method, body, headers });
  return { status: answer.status, type: answer.headers.get('content-type'), body: await answer.text() };
}

// Rows are read as scripts read them.
async function json(role: Role, path: string): Promise<any> {
  return JSON.parse((await ask(role, `GET ${path}`)).body);
}

type Row = readonly [
  request: string,
  status: number,
  type: string | null,
  body: string | RegExp,
  sent?: string,
  sentType?: string,
];
const FORM = 'application/x-www-form-urlencoded';
const OK = '{"success":true,"message":null}';
const OK_EMPTY = '{"success":true,"message":""}';
const NO_DATA = '{"success":false,"message":"data not found","data":null}';
const NO_IPS = '{"success":false,"message":"ips is empty"}';
const NOT_SAVED = '{"success":false,"message":"Save dataid black list exception"}';
const BANNED = 'dataId=banned&group=SOFA&instanceId=DEFAULT_INSTANCE_ID';
const WITH_SUB = `ips=${encodeURIComponent('[{"address":"192.0.2.3","pub":true,"sub":true}]')}`;
const COMPRESS =
  '{"enabled":false,"compressMinSize":4096,"forbidEncodes":[],"enabledSessions":[],"enabledClients":[]}';
const NO_VERSION = '{"success":false,"message":"check version fail."}';
const NO_CONNECTIONS = '{"success":false,"message":"ConnectIds can not be null."}';
const VERSION = /^\{"success":true,"message":null,"data":\d{13,}\}$/;
/** Every role answers it: those that do not lead ask the leading meta. */
const TABLE_STATUS: Row = [
  'GET /openapi/v1/slot/table/status',
  200,
  JSON_TYPE,
  /^\{"success":true,"message":null,"data":\{"slotTableEpoch":\d+,"protectionMode":false,"leaderCount":\{"127\.0\.0\.1":256\},"followerCount":\{.*\},"slotTableLeaderBalanced":true,"slotTableFollowerBalanced":true,"slotTableStable":true\}\}$/,
];

function rows(role: Role, table: readonly Row[]): void {
  it.each(table.map((row) => [`${row[0]}${row[4] === undefined ? '' : ` <- ${row[4]}`}`, row] as const))(
    '%s',
    async (_name, row) => {
      const [request, status, type, body, sent, sentType] = row;
      const filled = (text: string): string =>
        text
          .replaceAll('{ID}', ID)
          .replaceAll('{INFO}', INFO)
          .replaceAll('{client}', clientAddress)
          .replaceAll('{registerId}', registerId)
          .replaceAll('{session}', registry.plan.roles[2].advertise);
      const answer = await ask(
        role,
        filled(request),
        sent === undefined ? undefined : filled(sent),
        sentType,
      );
      expect([answer.status, answer.type]).toEqual([status, type]);
      if (typeof body === 'string') expect(answer.body).toBe(filled(body));
      else expect(answer.body).toMatch(body);
    },
  );
}

const PUBLISHER = () => ({
  dataInfoId: INFO,
  dataId: DATA_ID,
  clientId: null,
  instanceId: 'DEFAULT_INSTANCE_ID',
  cell: 'DEFAULT_ZONE',
  appName: 'golden-app',
  processId: clientAddress,
  registerId,
  version: 1,
  sourceAddress: {
    protocol: null,
    ipAddress: '127.0.0.1',
    port: Number(clientAddress.split(':')[1]),
    serializerIndex: 1,
  },
  targetAddress: {
    protocol: null,
    ipAddress: '127.0.0.1',
    port: registry.plan.roles[2].listen.port,
    serializerIndex: 1,
  },
  clientVersion: 'StoreData',
  group: 'SOFA',
  registerTimestamp: expect.any(Number),
  clientRegisterTimestamp: expect.any(Number),
  attributes: {},
  dataList: [{ bytes: 'rO0ABXQAFTEwLjEwLjEuMToxMjIwMD94eD15eQ==', serialization: 1, object: null }],
  publishType: 'NORMAL',
  publishSource: 'CLIENT',
});

describe('session', () => {
  rows('session', [
    [
      'GET /health/check',
      200,
      JSON_TYPE,
      '{"success":true,"message":"SessionServerBoot , MetaServerStart:true, SchedulerStart:true, HttpServerStart:true, SessionServerStart:true, ServerForSessionSyncStart:true, ConnectDataServer:true, ConsoleServer:true"}',
    ],
    ['GET /health/ready', 200, JSON_TYPE, '{"ready":true,"waitingFor":""}'],
    ['GET /health/live', 200, JSON_TYPE, '{"live":true}'],
    ['GET /version', 200, 'text/plain', /^release properties: \{version=\d/],
    ['GET /metrics', 200, 'text/plain;charset=utf-8;version=0.0.4', /^# HELP sofa_registry_session_/],
    ['GET /api/servers/query', 200, 'text/plain', '{session}'],
    [
      'GET /api/servers/query?env=null&zone=DEFAULT_ZONE&dataCenter=DefaultDataCenter&appName=golden-app&instanceId=null',
      200,
      'text/plain',
      '{session}',
    ],
    ['GET /api/servers/query?zone=null', 200, 'text/plain', '{session}'],
    ['GET /api/servers/query?zone=default_zone', 200, 'text/plain', '{session}'],
    ['GET /api/servers/query?zone=NOSUCH', 200, 'text/plain', ''],
    ['GET /api/servers/query?zone=', 200, 'text/plain', '{session}'],
    [
      'GET /api/servers/queryWithWeight?zone=DEFAULT_ZONE',
      200,
      'text/plain',
      /^127\.0\.0\.1:\d+\?weight=\d+$/,
    ],
    ['GET /api/servers/queryWithWeight?zone=NOSUCH', 200, 'text/plain', ''],
    ['GET /api/servers/query.json?zone=DEFAULT_ZONE', 200, JSON_TYPE, '["{session}"]'],
    ['GET /api/servers/query.json?zone=NOSUCH', 200, JSON_TYPE, '[]'],
    ['GET /api/servers/dataCenter', 200, JSON_TYPE, '["{session}"]'],
    ['GET /api/servers/connectionNum', 200, 'text/plain', '1'],
    ['GET /api/servers/alive', 200, 'text/plain', 'OK'],
    [
      'GET /api/servers/slot?dataInfoId={ID}',
      200,
      JSON_TYPE,
      /^\{"id":136,"leader":"127\.0\.0\.1","leaderEpoch":\d+,"followers":\[\]\}$/,
    ],
    ['GET /api/servers/slot', 400, 'text/plain', 'parameter dataInfoId is missing'],
    ['GET /connections/query', 200, JSON_TYPE, '["{client}"]'],
    ['GET /digest/pub/data/query', 200, JSON_TYPE, '{}'],
    ['GET /digest/pub/data/query?dataInfoId=nosuch', 200, JSON_TYPE, '{}'],
    ['GET /digest/all/data/query?dataInfoId=nosuch', 200, JSON_TYPE, '{}'],
    ['POST /digest/all/connect/query', 200, JSON_TYPE, '{}', '["192.0.2.1:1_{session}"]'],
    ['POST /digest/all/connect/query', 200, JSON_TYPE, '{}', '[]'],
    ['POST /digest/all/connect/query', 200, JSON_TYPE, '{}', '["nosuch"]'],
    ['POST /digest/all/connect/query', 400, 'text/plain', /body must be array/, ''],
    ['POST /digest/all/connect/query', 400, 'text/plain', /not JSON/, 'nosuch'],
    ['GET /digest/data/count', 200, JSON_TYPE, 'Subscriber count: 1, Publisher count: 1, Watcher count: 0'],
    [
      'GET /digest/data/queryPublisher',
      200,
      JSON_TYPE,
      '{"success":false,"message":"data info id can not be empty","data":null}',
    ],
    [
      'GET /digest/data/queryPublisher?dataInfoId={ID}',
      200,
      JSON_TYPE,
      '{"success":true,"message":null,"data":[{"clientId":null,"sourceAddress":"{client}","appName":"golden-app"}]}',
    ],
    ['GET /digest/pushSwitch', 200, JSON_TYPE, '{"pushSwitch":"open"}'],
    [
      'POST /api/clientManager/zone/queryClientOff',
      200,
      JSON_TYPE,
      '{"success":true,"message":null,"data":{"127.0.0.1":{"success":true,"ips":[]}}}',
    ],
    ['GET /api/clientManager/persistence/query', 200, JSON_TYPE, NO_DATA],
    ['GET /api/clientManager/persistence/checkVersion', 200, JSON_TYPE, NO_VERSION],
    ['GET /api/clientManager/persistence/checkVersion?version=0', 200, JSON_TYPE, OK_EMPTY],
    ['GET /api/clientManager/persistence/checkVersion?version=x', 200, JSON_TYPE, NO_VERSION],
    ['GET /compress/push/state', 200, JSON_TYPE, COMPRESS],
    ['GET /api/clients/off', 405, null, ''],
    ['POST /api/clients/off', 200, JSON_TYPE, '{"success":false,"message":"Request can not be null."}'],
    ['POST /api/clients/off', 200, JSON_TYPE, NO_CONNECTIONS, '{}'],
    ['POST /api/clients/off', 200, JSON_TYPE, NO_CONNECTIONS, '{"connectIds":[]}'],
    ['POST /api/clients/off', 200, JSON_TYPE, OK_EMPTY, '["192.0.2.1:1"]'],
    ['POST /api/clients/off', 400, 'text/plain', /not JSON/, 'nosuch'],
    [
      'POST /api/clients/off',
      200,
      JSON_TYPE,
      OK_EMPTY,
      '{"connectIds":[{"clientHostAddress":"192.0.2.1","clientPort":1,"sessionHostAddress":"127.0.0.1","sessionPort":9600}]}',
    ],
    ['POST /api/clients/on', 200, JSON_TYPE, OK_EMPTY, '["192.0.2.1:1"]'],
    ['POST /api/clientManager/clientOff', 200, JSON_TYPE, NO_IPS],
    ['POST /api/clientManager/clientOff', 200, JSON_TYPE, OK_EMPTY, 'ips=192.0.2.1', FORM],
    ['POST /api/clientManager/clientOpen', 200, JSON_TYPE, NO_IPS],
    ['POST /api/clientManager/clientOpen', 200, JSON_TYPE, OK_EMPTY, 'ips=192.0.2.1', FORM],
    ['POST /api/clientManager/zone/clientOff', 200, JSON_TYPE, NO_IPS],
    ['POST /api/clientManager/zone/clientOff', 200, JSON_TYPE, OK_EMPTY, 'ips=192.0.2.1', FORM],
    ['POST /api/clientManager/zone/clientOpen', 200, JSON_TYPE, OK_EMPTY, 'ips=192.0.2.1', FORM],
    [
      'POST /api/clientManager/persistence/clientOff',
      200,
      JSON_TYPE,
      '{"success":false,"message":"clientOff ips is empty.","data":null}',
    ],
    ['POST /api/clientManager/persistence/clientOff', 200, JSON_TYPE, VERSION, 'ips=192.0.2.1', FORM],
    ['POST /api/clientManager/persistence/clientOpen', 200, JSON_TYPE, VERSION, 'ips=192.0.2.1', FORM],
    ['POST /api/clientManager/persistence/clientOffWithSub', 200, JSON_TYPE, VERSION, WITH_SUB, FORM],
    [
      'POST /api/clientManager/persistence/clientOffWithSub',
      400,
      'text/plain',
      /JSON list/,
      'ips=192.0.2.1',
      FORM,
    ],
    ['POST /api/clientManager/persistence/reduce', 200, JSON_TYPE, VERSION, 'ips=192.0.2.1;192.0.2.3', FORM],
    [
      'POST /api/clientManager/persistence/clientOpen',
      200,
      JSON_TYPE,
      VERSION,
      'ips=192.0.2.1;192.0.2.3',
      FORM,
    ],
    ['GET /digest/getDataInfoIdList', 200, JSON_TYPE, '["{INFO}"]'],
    ['GET /digest/checkSumDataInfoIdList', 200, JSON_TYPE, '689856434'],
    ['GET /digest/session/serverList/query', 200, JSON_TYPE, '["127.0.0.1"]'],
    ['GET /digest/data/serverList/query', 200, JSON_TYPE, '["127.0.0.1"]'],
    ['GET /digest/META/serverList/query', 200, JSON_TYPE, '["127.0.0.1"]'],
    ['GET /digest/nosuch/serverList/query', 200, JSON_TYPE, '[]'],
    ['GET /openapi/v1/slot/table/epoch', 200, JSON_TYPE, /^\{"success":true,"message":null,"data":\d+\}$/],
    TABLE_STATUS,
    [
      'GET /openapi/v1/slot/table/content',
      200,
      JSON_TYPE,
      /^\{"success":true,"message":null,"data":\{"epoch":\d+,"slots":\[\{"id":0,"leader":"127\.0\.0\.1","leaderEpoch":\d+,"followers":\[\]\},/,
    ],
    ['GET /no/such/path', 404, null, ''],
    ['POST /digest/data/count', 405, null, '', '{}'],
  ]);

  it('rows of publishers and subscribers', async () => {
    for (const type of ['pub', 'PUB'])
      expect(await json('session', `/digest/${type}/data/query?dataInfoId=${ID}`)).toEqual({
        PUB: [PUBLISHER()],
      });
    for (const type of ['all', 'nosuch']) {
      const all = await json('session', `/digest/${type}/data/query?dataInfoId=${ID}`);
      expect(Object.keys(all)).toEqual(['SUB', 'PUB']);
      const { publishType: _type, publishSource: _source, dataList: _list, ...head } = PUBLISHER();
      expect(all.SUB).toEqual([
        {
          ...head,
          registerId: expect.any(String),
          sourceAddress: { ...head.sourceAddress, serializerIndex: null },
          version: expect.any(Number),
          scope: 'global',
          elementType: null,
          acceptEncodes: expect.any(Array),
          lastPushContexts: {
            DefaultDataCenter: {
              pushedVersion: expect.any(Number),
              lastMaxPushVersion: expect.any(Number),
              lastPushVersion: expect.any(Number),
              emptyVersion: 0,
              pushedNum: 1,
            },
          },
        },
      ]);
    }
  });

  it('registrations of a client, named in either form', async () => {
    for (const name of [clientAddress, `${clientAddress}_${registry.plan.roles[2].advertise}`]) {
      const answer = await ask('session', 'POST /digest/pub/connect/query', JSON.stringify([name]));
      expect(JSON.parse(answer.body)).toEqual({ PUB: [PUBLISHER()] });
    }
  });
});

describe('data', () => {
  rows('data', [
    [
      'GET /health/check',
      200,
      JSON_TYPE,
      '{"success":true,"message":"DataServerBoot severForSession:true, severForDataSync:true, httpServer:true, schedulerStarted:true"}',
    ],
    ['GET /health/ready', 200, JSON_TYPE, '{"ready":true,"waitingFor":""}'],
    ['GET /digest/datum/query?dataId=nosuch&group=SOFA', 200, JSON_TYPE, '{"DefaultDataCenter":null}'],
    ['GET /digest/datum/query?dataId=x&group=SOFA&dataCenter=nosuch', 200, JSON_TYPE, '{"nosuch":null}'],
    ['GET /digest/datum/query?dataId=x', 400, 'text/plain', 'parameter group is missing'],
    ['GET /digest/datum/query', 400, 'text/plain', /parameter dataId is missing/],
    ['POST /digest/connect/query', 200, JSON_TYPE, '{}', '{"192.0.2.1:1":"{session}"}'],
    ['POST /digest/connect/query', 200, JSON_TYPE, '{}', '{"127.0.0.1":"9600"}'],
    ['POST /digest/connect/query', 200, JSON_TYPE, '{}', '{}'],
    ['POST /digest/connect/query', 200, JSON_TYPE, '{}', ''],
    ['POST /digest/connect/query', 400, 'text/plain', /not JSON/, 'nosuch'],
    [
      'GET /digest/datum/count',
      200,
      JSON_TYPE,
      'CacheDigest [Datum] size of datum in DefaultDataCenter is 1,[Publisher] size of publisher in DefaultDataCenter is 1',
    ],
    ['GET /digest/datum/getDataInfoIdList', 200, JSON_TYPE, '["DefaultDataCenter,{INFO},1"]'],
    ['GET /digest/session/serverList/query', 200, JSON_TYPE, '{"DefaultDataCenter":["{session}"]}'],
    ['GET /digest/meta/serverList/query', 200, JSON_TYPE, '{"DefaultDataCenter":["127.0.0.1"]}'],
    ['GET /digest/nosuch/serverList/query', 400, 'text/plain', /ask for session or meta/],
    [
      'POST /datum/api/get',
      200,
      JSON_TYPE,
      /^\{"success":true,"message":"datum=Datum=\{golden\.service:1\.0@DEFAULT#@#DEFAULT_INSTANCE_ID#@#SOFA, dataCenter=DefaultDataCenter, size=1, ver=\d+\}, publishers=\{/,
      '{"dataInfoId":"{INFO}","dataCenter":"DefaultDataCenter"}',
    ],
    ['POST /datum/api/get', 200, JSON_TYPE, /^\{"success":true/, '{"dataInfoId":"{INFO}"}'],
    [
      'POST /datum/api/get',
      200,
      JSON_TYPE,
      '{"success":false,"message":"datumParam.dataInfoId is empty"}',
      '{"dataInfoId":""}',
    ],
    [
      'POST /datum/api/get',
      200,
      JSON_TYPE,
      '{"success":false,"message":"datumParam.dataInfoId is empty"}',
      '{}',
    ],
    [
      'POST /datum/api/get',
      200,
      JSON_TYPE,
      '{"success":false,"message":"datum not found by dataCenter=DefaultDataCenter, dataInfoId=a#@#b#@#c"}',
      '{"dataInfoId":"a#@#b#@#c"}',
    ],
    [
      'POST /datum/api/get',
      200,
      JSON_TYPE,
      '{"success":false,"message":"datum not found by dataCenter=DefaultDataCenter, dataInfoId=nosuch"}',
      '{"dataInfoId":"nosuch"}',
    ],
    ['POST /datum/api/get', 200, JSON_TYPE, '{"success":false,"message":"datumParam is null"}', ''],
    ['POST /datum/api/get', 400, 'text/plain', /not JSON/, 'nosuch'],
    ['POST /datum/api/pub/add', 200, JSON_TYPE, '{"success":false,"message":"This api is disabled"}', '{}'],
    [
      'POST /datum/api/pub/delete',
      200,
      JSON_TYPE,
      '{"success":false,"message":"This api is disabled"}',
      '{}',
    ],
    ['POST /datum/api/delete', 200, JSON_TYPE, '{"success":false,"message":"This api is disabled"}', '{}'],
    ['GET /datum/api/summary/query?dataCenter=DefaultDataCenter', 200, JSON_TYPE, '{"{INFO}":1}'],
    [
      'POST /datum/api/getDatumVersions',
      200,
      JSON_TYPE,
      /^\{"golden\.service:1\.0@DEFAULT#@#DEFAULT_INSTANCE_ID#@#SOFA":\d+\}$/,
      '{"dataCenter":"DefaultDataCenter"}',
    ],
    ['POST /datum/api/getDatumVersions', 200, JSON_TYPE, '{}', '{}'],
    [
      'POST /datum/api/getDatumVersion',
      200,
      JSON_TYPE,
      /^dataCenter:DefaultDataCenter, dataInfoId:golden\.service:1\.0@DEFAULT#@#DEFAULT_INSTANCE_ID#@#SOFA, dataServer:null, version:\d+$/,
      '{"dataCenter":"DefaultDataCenter","dataInfoId":"{INFO}"}',
    ],
    [
      'POST /datum/api/getDatumVersion',
      200,
      JSON_TYPE,
      'dataCenter:DefaultDataCenter, dataInfoId:null, dataServer:null, version:null',
      '{"dataCenter":"DefaultDataCenter"}',
    ],
    ['GET /datum/api/getDatumSizes', 200, JSON_TYPE, '{"DefaultDataCenter":1}'],
    ['GET /openapi/v1/slot/table/epoch', 200, JSON_TYPE, /^\{"success":true,"message":null,"data":\d+\}$/],
    TABLE_STATUS,
    [
      'GET /openapi/v1/slot/table/sync/task/status',
      200,
      JSON_TYPE,
      /^\{"success":true,"message":null,"data":\{"epoch":\d+,"currentSlotTableStable":true,"slotStatuses":\[\{"slotId":0,"slotLeaderEpoch":\d+,"role":"Leader","server":"127\.0\.0\.1","leaderStatus":"HEALTHY"/,
    ],
    ['GET /no/such/path', 404, null, ''],
    ['POST /digest/datum/count', 405, null, '', '{}'],
  ]);

  it('a service with its publishers', async () => {
    const answer = await json('data', `/digest/datum/query?dataId=${encodeURIComponent(DATA_ID)}&group=SOFA`);
    expect(answer).toEqual({
      DefaultDataCenter: {
        dataInfoId: INFO,
        dataCenter: 'DefaultDataCenter',
        dataId: DATA_ID,
        instanceId: 'DEFAULT_INSTANCE_ID',
        group: 'SOFA',
        pubMap: { [registerId]: PUBLISHER() },
        version: expect.any(Number),
        recentVersions: expect.any(Array),
      },
    });
  });

  it('publishers of a client, asked in the form of either version', async () => {
    const session = registry.plan.roles[2].advertise;
    const [ip, port] = clientAddress.split(':');
    for (const asked of [{ [clientAddress]: session }, { [ip]: port }]) {
      const answer = await ask('data', 'POST /digest/connect/query', JSON.stringify(asked));
      expect(JSON.parse(answer.body)).toEqual({
        [`${clientAddress}_${session}`]: { [registerId]: PUBLISHER() },
      });
    }
  });
});

describe('meta', () => {
  const key = 'golden%23%40%239600%23%40%23CONFIG';
  const doc = (more: string): string => `{"dataId":"golden","group":"CONFIG","instanceId":"9600"${more}}`;
  rows('meta', [
    [
      'GET /health/check',
      200,
      JSON_TYPE,
      '{"success":true,"message":"MetaServerBoot sessionRegisterServer:true, dataRegisterServerStart:true, otherMetaRegisterServerStart:true, httpServerStart:true, remoteMetaRegisterServerStart:true, role:leader, warmuped:true, leader:127.0.0.1, meta-servers:[META-Node{127.0.0.1,region=null,dc=DefaultDataCenter}]"}',
    ],
    [
      'GET /meta/leader/query',
      200,
      JSON_TYPE,
      /^\{"success":true,"message":null,"data":\{"epoch":\d+,"leader":"127\.0\.0\.1"\}\}$/,
    ],
    [
      'GET /digest/META/node/query',
      200,
      JSON_TYPE,
      /^\{"DefaultDataCenter":\{"127\.0\.0\.1":\{"nodeUrl":\{"protocol":null,"ipAddress":"127\.0\.0\.1","port":0,"serializerIndex":1\},"regionId":null,"dataCenter":"DefaultDataCenter","nodeName":"127\.0\.0\.1","nodeType":"META","ip":"127\.0\.0\.1","addressString":"127\.0\.0\.1:0"\}\}\}$/,
    ],
    ['GET /digest/data/node/query', 200, JSON_TYPE, /"registrationTimestamp":\d+,"nodeType":"DATA"/],
    [
      'GET /digest/Session/node/query',
      200,
      JSON_TYPE,
      /"regionId":"DEFAULT_ZONE","dataCenter":null,"nodeName":"127\.0\.0\.1","processId":\{"hostAddress":"127\.0\.0\.1","timestamp":\d+,"pid":[1-9]\d*,"rand":\d+\}/,
    ],
    ['GET /digest/nosuch/node/query', 400, 'text/plain', /ask for meta, data or session/],
    [
      'GET /digest/pushSwitch',
      200,
      JSON_TYPE,
      '{"stopPush":"false","gray push switch msg":"data is empty","grayPushSwitch":""}',
    ],
    ['GET /datacenter/query', 200, JSON_TYPE, '{"success":true,"message":"DefaultDataCenter"}'],
    TABLE_STATUS,
    [
      'GET /openapi/v1/slot/table/data/slot/status',
      200,
      JSON_TYPE,
      /^\{"success":true,"message":null,"data":\[\{"dataServer":"127\.0\.0\.1","slotTableEpoch":\d+,"slotStatus":\[\{"slotId":0,/,
    ],
    ['GET /openapi/v1/slot/table/reconcile/status', 200, JSON_TYPE, '{"success":true,"message":"running"}'],
    ['PUT /openapi/v1/slot/table/reconcile/stop', 200, JSON_TYPE, '{"success":true,"message":"succeed"}'],
    ['GET /openapi/v1/slot/table/reconcile/status', 200, JSON_TYPE, '{"success":true,"message":"stopped"}'],
    ['PUT /openapi/v1/slot/table/reconcile/start', 200, JSON_TYPE, '{"success":true,"message":"succeed"}'],
    [
      'PUT /openapi/v1/slot/table/force/refresh',
      200,
      JSON_TYPE,
      /^\{"success":true,"message":null,"data":\{"epoch":\d+,"slots":\[/,
    ],
    ['GET /persistentData/query', 200, JSON_TYPE, '{"success":true,"message":null,"data":null}'],
    [
      'GET /persistentData/query?dataInfoId=nosuch',
      200,
      JSON_TYPE,
      '{"success":true,"message":null,"data":null}',
    ],
    [
      'GET /persistentData/query?dataInfoId=session.stop.push.data.switch%23%40%239600%23%40%23CONFIG',
      200,
      JSON_TYPE,
      '{"success":true,"message":null,"data":{"dataId":"session.stop.push.data.switch","group":"CONFIG","instanceId":"9600","version":0,"data":"false"}}',
    ],
    [
      'POST /persistentData/put',
      400,
      'text/plain',
      /field dataId is that of the nodes taken out/,
      '{"dataId":"registry.node.server.operating.data","group":"CONFIG","instanceId":"9600","version":9,"data":"{}"}',
    ],
    ['POST /persistentData/put', 400, 'text/plain', /body must be object/, ''],
    ['POST /persistentData/put', 400, 'text/plain', /field dataId is missing/, '{}'],
    ['POST /persistentData/put', 400, 'text/plain', 'field data is missing', doc(',"version":1')],
    ['POST /persistentData/put', 400, 'text/plain', /not JSON/, 'this is not JSON'],
    [
      'POST /persistentData/put',
      400,
      'text/plain',
      'field nosuch is not known',
      doc(',"version":3,"data":"y","nosuch":1'),
    ],
    ['POST /persistentData/put', 200, JSON_TYPE, '{"success":false,"message":null}', doc(',"data":"x"')],
    ['POST /persistentData/put', 200, JSON_TYPE, OK, doc(',"version":1795549880000,"data":"x"')],
    [
      `GET /persistentData/query?dataInfoId=${key}`,
      200,
      JSON_TYPE,
      '{"success":true,"message":null,"data":{"dataId":"golden","group":"CONFIG","instanceId":"9600","version":1795549880000,"data":"x"}}',
    ],
    [
      'POST /persistentData/put',
      200,
      JSON_TYPE,
      '{"success":false,"message":null}',
      doc(',"version":2,"data":"y"'),
    ],
    ['POST /persistentData/remove', 400, 'text/plain', /field dataId is missing/, '{}'],
    ['POST /persistentData/remove', 200, JSON_TYPE, OK, doc('')],
    [
      'POST /persistentData/remove',
      200,
      JSON_TYPE,
      '{"success":false,"message":null}',
      doc(',"version":1795549880001'),
    ],
    [
      `GET /persistentData/query?dataInfoId=${key}`,
      200,
      JSON_TYPE,
      '{"success":true,"message":null,"data":null}',
    ],
    ['GET /stopPushDataSwitch/open', 200, JSON_TYPE, OK],
    [
      'GET /digest/pushSwitch',
      200,
      JSON_TYPE,
      '{"stopPush":"true","gray push switch msg":"data is empty","grayPushSwitch":""}',
    ],
    [
      'GET /persistentData/query?dataInfoId=session.stop.push.data.switch%23%40%239600%23%40%23CONFIG',
      200,
      JSON_TYPE,
      /^\{"success":true,"message":null,"data":\{"dataId":"session\.stop\.push\.data\.switch","group":"CONFIG","instanceId":"9600","version":\d+,"data":"true"\}\}$/,
    ],
    ['POST /stopPushDataSwitch/grayOpen', 200, JSON_TYPE, OK, ''],
    ['POST /stopPushDataSwitch/grayOpen', 200, JSON_TYPE, OK, '{}'],
    ['POST /stopPushDataSwitch/grayOpen', 200, JSON_TYPE, OK, '{"ips":["192.0.2.1"]}'],
    [
      'GET /digest/pushSwitch',
      200,
      JSON_TYPE,
      '{"stopPush":"true","grayPushSwitch":"{\\"ips\\":[\\"192.0.2.1\\"]}"}',
    ],
    ['GET /stopPushDataSwitch/close', 200, JSON_TYPE, OK],
    ['POST /stopPushDataSwitch/grayOpen', 200, JSON_TYPE, OK, '{"ips":["192.0.2.1"]}'],
    [
      'GET /digest/pushSwitch',
      200,
      JSON_TYPE,
      '{"stopPush":"false","grayPushSwitch":"{\\"ips\\":[\\"192.0.2.1\\"]}"}',
    ],
    ['GET /stopPushDataSwitch/close', 200, JSON_TYPE, OK],
    ['GET /datainfoid/blacklist/query', 200, JSON_TYPE, '{"success":true,"message":null,"data":null}'],
    ['GET /compress/push/state', 200, JSON_TYPE, COMPRESS],
    ['POST /compress/push/switch', 200, JSON_TYPE, OK, '{}'],
    ['POST /compress/push/switch', 200, JSON_TYPE, OK, '{"enabled":false,"compressMinSize":4096}'],
    ['POST /compress/push/switch', 400, 'text/plain', /it must be /, '{"enabled":"yes"}'],
    ['GET /compress/push/state', 200, JSON_TYPE, COMPRESS],
    ['GET /blacklist/update', 405, null, ''],
    ['POST /blacklist/update', 400, 'text/plain', /operator\/blacklist = : it must be /, ''],
    ['POST /blacklist/update', 400, 'text/plain', /it must be /, 'this is not JSON'],
    ['POST /blacklist/update', 400, 'text/plain', /it must be /, '{"NO_SUCH":{"IP_FULL":["192.0.2.1"]}}'],
    ['POST /blacklist/update', 200, JSON_TYPE, OK, '{}'],
    [
      'POST /blacklist/update',
      200,
      JSON_TYPE,
      OK,
      '{"FORBIDDEN_PUB":{"IP_FULL":["192.0.2.1"]},"FORBIDDEN_SUB_BY_PREFIX":{"IP_FULL":[]}}',
    ],
    [
      'GET /persistentData/query?dataInfoId=session.blacklist.data%23%40%239600%23%40%23CONFIG',
      200,
      JSON_TYPE,
      /"data":"\{\\"FORBIDDEN_PUB\\":\{\\"IP_FULL\\":\[\\"192\.0\.2\.1\\"\]\}/,
    ],
    [
      'POST /blacklist/update',
      200,
      JSON_TYPE,
      OK,
      '{"FORBIDDEN_PUB":{"IP_FULL":[]},"FORBIDDEN_SUB_BY_PREFIX":{"IP_FULL":[]}}',
    ],
    ['POST /datainfoid/blacklist/add', 200, JSON_TYPE, NOT_SAVED],
    ['POST /datainfoid/blacklist/add', 200, JSON_TYPE, NOT_SAVED, 'dataId=banned', FORM],
    ['POST /datainfoid/blacklist/add', 200, JSON_TYPE, OK, BANNED, FORM],
    [
      'GET /datainfoid/blacklist/query',
      200,
      JSON_TYPE,
      '{"success":true,"message":null,"data":["banned#@#DEFAULT_INSTANCE_ID#@#SOFA"]}',
    ],
    [
      'POST /datainfoid/blacklist/delete',
      200,
      JSON_TYPE,
      '{"success":false,"message":"Delete dataid black list exception"}',
    ],
    ['POST /datainfoid/blacklist/delete', 200, JSON_TYPE, OK, BANNED, FORM],
    ['POST /datainfoid/blacklist/delete', 200, JSON_TYPE, OK, BANNED, FORM],
    ['GET /datainfoid/blacklist/query', 200, JSON_TYPE, '{"success":true,"message":null,"data":[]}'],
    ['POST /api/clientManager/clientOff', 200, JSON_TYPE, NO_IPS],
    ['POST /api/clientManager/clientOff', 200, JSON_TYPE, NO_IPS, 'ips=', FORM],
    [
      'POST /api/clientManager/clientOff',
      200,
      JSON_TYPE,
      '{"success":false,"message":"invalid ip address: a b"}',
      'ips=a b',
      FORM,
    ],
    ['POST /api/clientManager/clientOff', 200, JSON_TYPE, OK_EMPTY, 'ips=192.0.2.1;192.0.2.2', FORM],
    [
      'GET /api/clientManager/query',
      200,
      JSON_TYPE,
      /^\{"success":true,"message":null,"data":\{"version":\d+,"clientOffAddress":\{"192\.0\.2\.1":\{"version":0,"address":"192\.0\.2\.1","pub":true,"sub":true\},"192\.0\.2\.2":\{"version":0,"address":"192\.0\.2\.2","pub":true,"sub":true\}\},"reduces":\[\]\}\}$/,
    ],
    ['POST /api/clientManager/clientOpen', 200, JSON_TYPE, NO_IPS],
    ['POST /api/clientManager/clientOpen', 200, JSON_TYPE, OK_EMPTY, 'ips=192.0.2.1;192.0.2.2', FORM],
    ['GET /api/clientManager/query', 200, JSON_TYPE, NO_DATA],
    ['POST /api/clientManager/reduce', 200, JSON_TYPE, NO_IPS],
    ['POST /api/clientManager/reduce', 200, JSON_TYPE, OK_EMPTY, 'ips=192.0.2.1;192.0.2.2', FORM],
    ['POST /api/clientManager/clientOffWithSub', 200, JSON_TYPE, NO_IPS],
    [
      'POST /api/clientManager/clientOffWithSub',
      400,
      'text/plain',
      /field ips must be a JSON list/,
      'ips=192.0.2.3',
      FORM,
    ],
    ['POST /api/clientManager/clientOffWithSub', 200, JSON_TYPE, OK_EMPTY, WITH_SUB, FORM],
    [
      'GET /api/clientManager/query',
      200,
      JSON_TYPE,
      /"clientOffAddress":\{"192\.0\.2\.3":\{"version":0,"address":"192\.0\.2\.3","pub":true,"sub":true\}\},"reduces":\["192\.0\.2\.1","192\.0\.2\.2"\]\}\}$/,
    ],
    ['POST /api/clientManager/reduce', 200, JSON_TYPE, OK_EMPTY, 'ips=192.0.2.3', FORM],
    [
      'GET /api/clientManager/query',
      200,
      JSON_TYPE,
      /"clientOffAddress":\{\},"reduces":\["192\.0\.2\.1","192\.0\.2\.2","192\.0\.2\.3"\]\}\}$/,
    ],
    ['PUT /opsapi/v1/server/group/quit/192.0.2.9', 200, JSON_TYPE, OK_EMPTY],
    [
      'PUT /opsapi/v1/server/group/quit/nosuch',
      200,
      JSON_TYPE,
      '{"success":false,"message":"invalid ip address: nosuch"}',
      'cell=DEFAULT_ZONE&nodeType=SESSION',
      FORM,
    ],
    [
      'PUT /opsapi/v1/server/group/quit/192.0.2.9',
      200,
      JSON_TYPE,
      '{"success":false,"message":"invalid nodeType: NOSUCH"}',
      'cell=DEFAULT_ZONE&nodeType=NOSUCH',
      FORM,
    ],
    [
      'PUT /opsapi/v1/server/group/quit/192.0.2.9',
      200,
      JSON_TYPE,
      OK_EMPTY,
      'cell=DEFAULT_ZONE&nodeType=SESSION',
      FORM,
    ],
    [
      'PUT /opsapi/v1/server/group/join/192.0.2.9',
      200,
      JSON_TYPE,
      OK_EMPTY,
      'cell=DEFAULT_ZONE&nodeType=SESSION',
      FORM,
    ],
    ['GET /no/such/path', 404, null, ''],
    ['POST /digest/pushSwitch', 405, null, '', '{}'],
  ]);

  it('documents by key, with compare-and-set', async () => {
    const put = (query: string, body: string) =>
      ask('meta', `PUT /registry/v1/doc?key=persistent/test${query}`, body, 'text/plain');
    const first = await put('&expect=0', 'one');
    expect(first.status).toBe(200);
    const { version } = JSON.parse(first.body);
    expect((await put('&expect=0', 'two')).status).toBe(409);
    expect((await put(`&expect=${version}`, 'two')).status).toBe(200);
    expect(await json('meta', '/registry/v1/doc?key=persistent/test')).toMatchObject({
      key: 'persistent/test',
      value: 'two',
    });
    expect(
      (await json('meta', '/registry/v1/docs?prefix=persistent/te')).map((row: { key: string }) => row.key),
    ).toEqual(['persistent/test']);
    expect((await ask('meta', 'DELETE /registry/v1/doc?key=persistent/test')).status).toBe(204);
    expect((await ask('meta', 'GET /registry/v1/doc?key=persistent/test')).status).toBe(404);
    expect((await ask('meta', 'PUT /registry/v1/doc?key=slots', 'x', 'text/plain')).status).toBe(400);
  });

  it('a session that quits leaves the lists and comes back', async () => {
    const session = registry.plan.roles[2].advertise;
    expect((await ask('session', 'PUT /opsapi/v1/server/group/quit')).body).toBe(OK_EMPTY);
    await until(async () => (await ask('session', 'GET /api/servers/query')).body === '');
    expect(await json('meta', '/digest/session/node/query')).toEqual({ DefaultDataCenter: {} });
    const operating =
      '/persistentData/query?dataInfoId=registry.node.server.operating.data%23%40%239600%23%40%23CONFIG';
    expect(JSON.parse((await json('meta', operating)).data.data)).toEqual({
      metas: [],
      datas: [],
      sessions: {
        DEFAULT_ZONE: [{ nodeType: 'SESSION', cell: 'DEFAULT_ZONE', address: '127.0.0.1', operateTs: 0 }],
      },
    });
    expect((await ask('session', 'PUT /opsapi/v1/server/group/join')).body).toBe(OK_EMPTY);
    await until(async () => (await ask('session', 'GET /api/servers/query')).body === session);
    const drain = `/registry/v1/drain?node=${encodeURIComponent(session)}`;
    expect((await ask('meta', `PUT ${drain}`)).status).toBe(200);
    await until(async () => (await ask('session', 'GET /api/servers/queryWithWeight')).body === '');
    expect((await ask('meta', `PUT ${drain.replace('drain', 'undrain')}`)).status).toBe(200);
    await until(async () => (await ask('session', 'GET /api/servers/query')).body === session);
    expect((await ask('meta', 'PUT /registry/v1/drain?node=192.0.2.9:1')).status).toBe(404);
  });

  it('status of every node in one document', async () => {
    for (const role of ['meta', 'data', 'session'] as const) {
      expect(await json(role, '/registry/v1/status')).toMatchObject({
        role,
        ready: true,
        dataCenter: 'DefaultDataCenter',
      });
    }
    // Whichever node an operator asks, it knows the leader and all members, and who of them drains.
    const [leader] = registry.plan.roles
      .filter(({ role }) => role === 'meta')
      .map(({ advertise }) => advertise);
    for (const role of ['meta', 'data', 'session'] as const) {
      const status = await json(role, '/registry/v1/status');
      expect(status.leader).toBe(leader);
      const members = status.members as { role: string; draining: boolean }[];
      expect(members.map((node) => node.role).toSorted()).toEqual(['data', 'meta', 'session']);
      expect(members.filter(({ draining }) => draining)).toEqual([]);
    }
  });
});

describe('across roles', () => {
  const counted = async () => (await ask('session', 'GET /digest/data/count')).body;
  const counts = (publishers: number): string =>
    `Subscriber count: 1, Publisher count: ${publishers}, Watcher count: 0`;
  const listed = async () => {
    const datum = await json('data', `/digest/datum/query?dataId=${encodeURIComponent(DATA_ID)}&group=SOFA`);
    return Object.keys(datum.DefaultDataCenter.pubMap);
  };

  it('an address is off and opened again', async () => {
    const [ip] = clientAddress.split(':');
    const version = async (path: string): Promise<number> =>
      JSON.parse(
        (await ask('session', `POST /api/clientManager/persistence/${path}`, `ips=${ip}`, FORM)).body,
      ).data;
    const known = async (of: number) =>
      (await ask('session', `GET /api/clientManager/persistence/checkVersion?version=${of}`)).body;
    expect(await known(await version('clientOff'))).toBe(OK_EMPTY);
    expect(await counted()).toBe(counts(0));
    await until(async () => (await listed()).length === 0);
    expect(await json('session', '/connections/query')).toEqual([clientAddress]);
    expect(await json('session', '/registry/v1/clients/off')).toMatchObject({ off: [ip] });
    const zone = await ask('session', 'POST /api/clientManager/zone/queryClientOff');
    expect(JSON.parse(zone.body).data).toEqual({ '127.0.0.1': { success: true, ips: [ip] } });
    expect(await known(9e15)).toMatch(/^\{"success":false,"message":"not loaded by 127\.0\.0\.1:\d+"\}$/);
    expect(await known(await version('clientOpen'))).toBe(OK_EMPTY);
    await until(async () => (await counted()) === counts(1) && (await listed())[0] === registerId);
    expect(await json('session', '/connections/query')).not.toContain(clientAddress);
  });

  it('a connection is off, and on again', async () => {
    const before = await json('session', '/connections/query');
    expect((await ask('session', 'POST /api/clients/off', JSON.stringify(before))).body).toBe(OK_EMPTY);
    expect(await counted()).toBe('Subscriber count: 0, Publisher count: 0, Watcher count: 0');
    expect(await json('session', `/digest/all/data/query?dataInfoId=${ID}`)).toEqual({});
    expect(await json('session', '/connections/query')).toEqual(before);
    await until(async () => (await listed()).length === 0);
    expect((await ask('session', 'POST /api/clients/on', JSON.stringify(before))).body).toBe(OK_EMPTY);
    await until(async () => (await counted()) === counts(1) && (await listed()).length === 1);
  });

  it('publications are off once, at all sessions of the zone', async () => {
    const ips = `ips=${clientAddress.split(':')[0]}`;
    expect((await ask('session', 'POST /api/clientManager/zone/clientOff', ips, FORM)).body).toBe(OK_EMPTY);
    expect(await counted()).toBe(counts(0));
    expect((await ask('session', 'POST /api/clientManager/zone/clientOpen', ips, FORM)).body).toBe(OK_EMPTY);
    await until(async () => (await counted()) === counts(1) && (await listed()).length === 1);
  });
});
