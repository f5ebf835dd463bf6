// @tus/server with its file store, for the tests of core/sync. Listens on 127.0.0.1, prints "ready URL", ends with its standard input.
// Arguments: the folder for uploads, the port (0 for any).
import { FileStore } from '@tus/file-store';
import { Server } from '@tus/server';

const [folder, port] = process.argv.slice(2);
const tus = new Server({ path: '/files', datastore: new FileStore({ directory: folder }), relativeLocation: true });
const listening = tus.listen({ host: '127.0.0.1', port: Number(port) }, () => {
  console.log(`ready http://127.0.0.1:${listening.address().port}/files`);
});
process.stdin.on('end', () => process.exit(0)).resume();
