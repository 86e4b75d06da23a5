// Reads an AsyncAPI document with the official parser and prints what it says of it, as JSON.
import { readFileSync } from 'node:fs';
import { Parser } from '@asyncapi/parser';

const { document, diagnostics } = await new Parser().parse(readFileSync(process.argv[2], 'utf8'));
const said = diagnostics.map(({ severity, code, path, message }) => ({ severity, code, path: path.join('.'), message }));
const read = document && {
  version: document.version(),
  channels: document.channels().all().map((channel) => channel.id()),
  messages: document.messages().all().map((message) => message.id()),
  operations: document.operations().all().map((operation) => ({ id: operation.id(), action: operation.action(), replied: Boolean(operation.reply()) })),
};
process.stdout.write(JSON.stringify({ said, read: read ?? null }));
