/** Which process of this machine has a TCP port: from /proc, so that a proxy can tell its clients apart. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

const COLUMN_LOCAL = 1;
const COLUMN_INODE = 9;

/** True if an open TCP socket of the process has this local port. */
export function ownsLocalPort(pid: number, port: number): boolean {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const inodes = new Set<string>();
  for (const line of readFileSync('/proc/net/tcp', 'utf8').split('\n').slice(1)) {
    const columns = line.trim().split(/\s+/);
    if (columns[COLUMN_LOCAL]?.endsWith(wanted) === true) inodes.add(`socket:[${columns[COLUMN_INODE]}]`);
  }
  const dir = `/proc/${pid}/fd`;
  return readdirSync(dir).some((fd) => {
    try {
      return inodes.has(readlinkSync(`${dir}/${fd}`));
    } catch {
      return false;
    }
  });
}
