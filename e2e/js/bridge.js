// Calls Elastic Transcoder through AWS's JavaScript SDK: each line of the input
// names an operation and its parameters, each line of the output has what came
// of it. The first line of the output has the version.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import * as sdk from "@aws-sdk/client-elastic-transcoder";

const client = new sdk.ElasticTranscoderClient({ endpoint: process.env.EDGE, maxAttempts: 1 });

const { dependencies } = JSON.parse(readFileSync(new URL("package.json", import.meta.url)));
process.stdout.write(JSON.stringify({ version: dependencies["@aws-sdk/client-elastic-transcoder"] }) + "\n");
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
