import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { FileStore } from "../../../clients/typescript/src/file-store.ts";
import { MemoryStore, type Store } from "../../../clients/typescript/src/store.ts";
import { publicKeyOf } from "../../../clients/typescript/src/transport.ts";

async function folder(): Promise<string> {
	const path = await mkdtemp(join(tmpdir(), "isobar-store-"));
	onTestFinished(() => rm(path, { recursive: true }));
	return join(path, "state");
}

describe.each([
	["memory", async (): Promise<Store> => new MemoryStore()],
	["files", async (): Promise<Store> => new FileStore(await folder())],
])("a store in %s", (_, open) => {
	test("keeps what was written, by name", async () => {
		const store = await open();
		expect(await store.read("part.0")).toBeNull();
		expect(await store.names("")).toEqual([]);
		await store.write("part.0", Uint8Array.of(1, 2));
		await store.write("part.1", Uint8Array.of(3));
		await store.write("other", Uint8Array.of());
		await store.write("part.0", Uint8Array.of(4));
		expect([...(await store.read("part.0"))!]).toEqual([4]);
		expect(await store.names("part.")).toEqual(["part.0", "part.1"]);
		await store.remove("part.0");
		await store.remove("part.0");
		expect(await store.names("part.")).toEqual(["part.1"]);
	});

	test("is locked by one at a time", async () => {
		const store = await open();
		const release = await store.lock();
		expect(await store.lock()).toBeNull();
		await release!();
		expect(await store.lock()).not.toBeNull();
	});

	test("has one pair of keys", async () => {
		const store = await open();
		expect(await publicKeyOf(await store.keys())).toBe(await publicKeyOf(await store.keys()));
	});
});

test("a directory keeps its key over processes, and from others", async () => {
	const path = await folder();
	const made = await new FileStore(path).keys();
	const found = await new FileStore(path).keys();
	const bytes = Uint8Array.of(1, 2, 3);
	const signature = await crypto.subtle.sign("Ed25519", found.privateKey, bytes);
	expect(await crypto.subtle.verify("Ed25519", made.publicKey, signature, bytes)).toBe(true);
	expect((await stat(path)).mode & 0o77).toBe(0);
	expect((await stat(join(path, "key.pem"))).mode & 0o77).toBe(0);
});

test("what a process left half written is not seen", async () => {
	const path = await folder();
	const store = new FileStore(path);
	await store.write("update", Uint8Array.of(1));
	await writeFile(join(path, "draft~1~0"), "half");
	expect(await store.names("")).toEqual(["update"]);
	expect((await readdir(path)).sort()).toEqual(["draft~1~0", "update"]);
});

test("what a process that was killed left half written is removed by the next one", async () => {
	const path = await folder();
	const store = new FileStore(path);
	await mkdir(path);
	for (const [name, age] of [
		["draft~old", 100],
		["draft~new", 0],
	] as const) {
		await writeFile(join(path, name), "half");
		const at = Date.now() / 1_000 - age;
		await utimes(join(path, name), at, at);
	}
	const release = await store.lock();
	expect((await readdir(path)).sort()).toEqual(["draft~new", "lock"]);
	await release!();
});

test("of many who find a lock that was left behind, one gets it", async () => {
	const path = await folder();
	await mkdir(path);
	const source = join(import.meta.dirname, "../../../clients/typescript/src/file-store.ts");
	const script = `import { FileStore } from ${JSON.stringify(source)};
		const start = Number(process.argv[2]);
		while (Date.now() < start);
		console.log((await new FileStore(process.argv[1]).lock()) ? "got" : "not");
		setTimeout(() => {}, 3_000);`;
	await writeFile(join(path, "lock"), "999999999");
	const start = Date.now() + 1_500;
	const args = [
		"--experimental-strip-types",
		"--no-warnings",
		"--input-type=module",
		"-e",
		script,
		path,
		String(start),
	];
	const answers = await Promise.all(
		Array.from({ length: 4 }, async () => {
			const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
			const [line] = (await once(child.stdout, "data")) as [Buffer];
			return { child, answer: String(line).trim() };
		}),
	);
	for (const { child } of answers) child.kill("SIGKILL");
	expect(answers.filter(({ answer }) => answer === "got")).toHaveLength(1);
}, 20_000);

test("a directory is locked over processes, until they end", async () => {
	const path = await folder();
	const store = new FileStore(path);
	await store.write("update", Uint8Array.of(1));
	const other = spawn(process.execPath, ["-e", "setTimeout(() => {}, 60_000)"]);
	await writeFile(join(path, "lock"), String(other.pid));
	expect(await store.lock()).toBeNull();
	other.kill("SIGKILL");
	await once(other, "exit");
	const release = await store.lock();
	expect(release).not.toBeNull();
	expect(await new FileStore(path).lock()).toBeNull();
	await release!();
	expect(await readdir(path)).toEqual(["update"]);
});

test.runIf(process.platform === "linux")("a process that was killed has ended before it was waited for", async () => {
	const store = new FileStore(await folder());
	// A child of one that never asks for it.
	const parent = spawn("sh", ["-c", "sleep 0 & echo $!; exec sleep 60"]);
	onTestFinished(() => void parent.kill("SIGKILL"));
	const [line] = (await once(parent.stdout, "data")) as [Buffer];
	const pid = line.toString().trim();
	await expect.poll(() => readFile(`/proc/${pid}/stat`, "utf8")).toContain(") Z ");
	await store.write("lock", new TextEncoder().encode(pid));
	const release = await store.lock();
	expect(release).not.toBeNull();
	await release!();
});
