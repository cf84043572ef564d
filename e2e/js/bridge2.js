// As bridge.js, through AWS's JavaScript SDK as it was before version 3.
import { createInterface } from "node:readline";
import AWS from "aws-sdk";

const client = new AWS[process.env.SERVICE]({ endpoint: process.env.EDGE, maxRetries: 0, s3ForcePathStyle: true });

process.stdout.write(JSON.stringify({ version: AWS.VERSION }) + "\n");
for await (const line of createInterface({ input: process.stdin })) {
  const { operation, params } = JSON.parse(line);
  let said;
  try {
    const reply = await client[operation[0].toLowerCase() + operation.slice(1)](params).promise();
    said = { reply };
  } catch (e) {
    said = { code: e.code, message: e.message };
  }
  process.stdout.write(JSON.stringify(said) + "\n");
}
