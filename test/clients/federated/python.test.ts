import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { FileStore } from "../../../clients/typescript/src/file-store.ts";
import { readSafetensors, writeSafetensors, zeroModel } from "../../../clients/typescript/src/model.ts";
import { publicKeyOf } from "../../../clients/typescript/src/transport.ts";
import { decode } from "../../../src/shared/federated/decode.ts";
import { encode } from "../../../src/shared/federated/encode.ts";
import { ENCODINGS } from "../../../src/shared/federated/encoding.ts";
import { verifierOf } from "../../../src/shared/http/ed25519.ts";
import { readSignature } from "../../../src/shared/http/message-signature.ts";
import { hasPython, NO_PYTHON, python, PYTHON_CLIENT, PYTHON_ENV } from "./languages.ts";

beforeEach(({ skip }) => {
	if (!hasPython) skip(NO_PYTHON);
});

interface Finished {
	readonly code: number | null;
	readonly out: Buffer<ArrayBuffer>;
	readonly err: string;
}

function runPython(args: readonly string[], input: Uint8Array = new Uint8Array()): Promise<Finished> {
	const tests = join(PYTHON_CLIENT, "tests");
	const env = { ...PYTHON_ENV, PYTHONPATH: `${PYTHON_CLIENT}:${tests}` };
	const child = spawn(python, args, { env, cwd: PYTHON_CLIENT });
	const out: Buffer[] = [];
	let err = "";
	child.stdout.on("data", (piece: Buffer) => out.push(piece));
	child.stderr.on("data", (piece: Buffer) => (err += piece.toString()));
	child.stdin.end(input);
	return new Promise((resolve, reject) => {
		child.on("error", reject);
		child.on("close", (code) => resolve({ code, out: Buffer.concat(out), err }));
	});
}

/** What a script that reads `data` writes to its standard output. */
async function outputOf(script: string, input?: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
	const head = "import sys, numpy as np\nfrom isobar_federated import *\ndata = sys.stdin.buffer.read()\n";
	const { code, out, err } = await runPython(["-c", head + script], input);
	if (code !== 0) throw new Error(err);
	return new Uint8Array(out);
}

test("the tests of the Python client pass", async () => {
	const { code, err } = await runPython(["-m", "unittest", "discover", "-s", "tests"]);
	expect(err).toMatch(/Ran \d\d tests/);
	expect(code, err).toBe(0);
	// Connections and files that were not closed.
	expect(err).not.toContain("ResourceWarning");
});

/** Values of all sizes, subnormals, ties and zeros among them. */
function values(): Float32Array<ArrayBuffer> {
	const bits = new Uint32Array(20_000);
	let state = 1;
	for (let i = 0; i < bits.length; i++) {
		state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
		// No NaN and no infinity; every fourth ends in zeros, where ties are.
		bits[i] = ((state & 0x8000_0000) | ((state & 0x7fff_ffff) % 0x7f7f_0000)) & (i % 4 === 0 ? 0xffff_8000 : ~0);
	}
	return new Float32Array(bits.buffer);
}

test.each(ENCODINGS)("Python encodes and decodes %s as the shards do, bit by bit", async (encoding) => {
	const all = values();
	// In f16 and int8 only what they can hold.
	const given = encoding === "f16" || encoding === "int8" ? all.filter((value) => Math.abs(value) < 65_000) : all;
	const script = `from isobar_federated.encodings import decode, encode
values = np.frombuffer(data, "<f4")
encoded = encode("${encoding}", values)
sys.stdout.buffer.write(encoded + decode("${encoding}", encoded, len(values)).astype("<f4").tobytes())`;
	const expected = encode(encoding, given);
	const decoded = new Float32Array(given.length);
	decode(encoding, expected, decoded);
	const out = await outputOf(script, new Uint8Array(given.buffer));
	expect(Buffer.compare(out.subarray(0, expected.length), expected)).toBe(0);
	expect(Buffer.compare(out.subarray(expected.length), new Uint8Array(decoded.buffer))).toBe(0);
});

test("either reads the other's safetensors files, and gives a model the same digest", async () => {
	const model = zeroModel({ "weight.ü": [3, 5], bias: [7], scalar: [] });
	model.values.forEach((_, i) => (model.values[i] = i / 8 - 1));
	for (const type of ["F32", "F16", "BF16"] as const) {
		const script = `model = read_safetensors(data)
model["bias"][:] += 1
file = write_safetensors(model, "${type}")
sys.stdout.buffer.write(model.digest().encode() + file)`;
		const out = await outputOf(script, writeSafetensors(model, type, { by: "test" }));
		const read = readSafetensors(out.slice(64));
		const expected = model.copy();
		expected.tensor("bias").forEach((value, i, bias) => (bias[i] = value + 1));
		expect(read.values).toEqual(expected.values);
		expect(read.manifest.tensors.map(({ name, shape }) => [name, shape])).toEqual(
			model.manifest.tensors.map(({ name, shape }) => [name, shape]),
		);
		expect(new TextDecoder().decode(out.subarray(0, 64))).toBe(await expected.digest());
	}
});

test.each([
	["GET", "https://Isobar.example.com:443/v1/runs/run_1/task?wait=30&loss=0.5", null],
	["POST", "http://[::1]:8787/v1/runs/run_1/updates/1.cl_%C3%A9/commit", "{}"],
	["PUT", "http://isobar.example.com:80/v1/runs/run_1/updates/1.cl_1/parts/0?encoding=f16", "bytes"],
])("the Worker's code verifies what Python signs: %s %s", async (method, url, body) => {
	const script = `import json
from isobar_federated.signing import *
key = MemoryStore().key()
digest = ${body === null ? "None" : "content_digest(data)"}
headers = signature_headers(key, "cl_1", "${method}", "${url}", digest, 1790000000, new_nonce())
if digest: headers["content-digest"] = digest
print(json.dumps([public_key_of(key), headers]))`;
	const out = await outputOf(script, new TextEncoder().encode(body ?? ""));
	const [key, fields] = JSON.parse(new TextDecoder().decode(out)) as [string, Record<string, string>];
	// As a server sees it.
	const read = readSignature(
		{ method, url: new URL(url).href, headers: new Headers(fields) },
		body !== null,
		1_790_000_001,
	);
	if (!read.ok) throw new Error(read.error.message);
	expect(read.value).toMatchObject({ keyid: "cl_1", nonce: expect.stringMatching(/^[\w-]{16,}$/) });
	const verify = await verifierOf(new Uint8Array(Buffer.from(key, "base64url")));
	expect(await verify!(read.value.signature, read.value.base)).toBe(true);
});

test("Python goes on with the key that TypeScript has made, and the other way round", async () => {
	const folder = await mkdtemp(join(tmpdir(), "isobar-key-"));
	try {
		for (const first of ["typescript", "python"]) {
			const path = join(folder, first);
			const script = `from isobar_federated.signing import public_key_of
sys.stdout.write(public_key_of(FileStore("${path}").key()))`;
			const ofTypeScript = async () => publicKeyOf(await new FileStore(path).keys());
			const ofPython = async () => new TextDecoder().decode(await outputOf(script));
			const keys =
				first === "python" ? [await ofPython(), await ofTypeScript()] : [await ofTypeScript(), await ofPython()];
			expect(keys[0]).toBe(keys[1]);
		}
	} finally {
		await rm(folder, { recursive: true });
	}
});
