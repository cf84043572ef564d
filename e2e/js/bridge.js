// Calls the service that SERVICE names through AWS's JavaScript SDK: each line of
// the input names an operation and its parameters, each line of the output has
// what came of it. The first line of the output has the version.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const service = process.env.SERVICE;
const library = { ElasticTranscoder: "@aws-sdk/client-elastic-transcoder", SNS: "@aws-sdk/client-sns" }[service];
const sdk = await import(library);
const client = new sdk[service + "Client"]({ endpoint: process.env.EDGE, maxAttempts: 1 });

const { dependencies } = JSON.parse(readFileSync(new URL("package.json", import.meta.url)));
process.stdout.write(JSON.stringify({ version: dependencies[library] }) + "\n");
for await (const line of createInterface({ input: process.stdin })) {
  const { operation, params } = JSON.parse(line);
  let said;
  try {
    const { $metadata, ...reply } = await client.send(new sdk[operation + "Command"](params));
    said = { reply };
  } catch (e) {
    said = { code: e.name, message: e.message };
  }
  process.stdout.write(JSON.stringify(said) + "\n");
}
