/** Small HTTP client: one request, one connection. */
import { request } from 'node:http';

const TIMEOUT_MS = 10_000;

/** Status and text of a GET. */
export function get(host: string, port: number, path: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const req = request({ host, port, path, agent: false, timeout: TIMEOUT_MS }, (res) => {
      let body = '';
      res.setEncoding('utf8');
      res.on('data', (text: string) => {
        body += text;
      });
      res.on('end', () => resolve({ status: res.statusCode ?? 0, body }));
      res.on('error', reject);
    });
    req.on('timeout', () => req.destroy(new Error('time-out')));
    req.on('error', reject);
    req.end();
  });
}
