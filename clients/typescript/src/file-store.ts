import { readFileSync } from "node:fs";
import { link, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { newKeys, type Store } from "./store.ts";

const KEY = "key.pem";
const LOCK = "lock";
const DRAFT = "draft~";
/** A draft that was not written to for so long was left behind. */
const DRAFT_MS = 60_000;
/** Locks of this process. */
const locked = new Set<string>();

/** A directory, which only its owner can read. The key is in PKCS #8, PEM, as other programs take it. */
export class FileStore implements Store {
	readonly #directory: string;
	#keys: Promise<CryptoKeyPair> | null = null;

	constructor(directory: string) {
		this.#directory = directory;
	}

	keys(): Promise<CryptoKeyPair> {
		return (this.#keys ??= this.#readKeys());
	}

	/** A file with the number of the process. One that was killed has left it behind. */
	async lock(): Promise<(() => Promise<void>) | null> {
		const path = resolve(this.#directory, LOCK);
		await mkdir(this.#directory, { recursive: true, mode: 0o700 });
		for (;;) {
			if (locked.has(path)) return null;
			// Linked when its number is in it: nobody sees it empty, and takes it for left behind.
			const draft = this.#draft();
			await writeFile(draft, String(process.pid), { flag: "wx", mode: 0o600 });
			try {
				await link(draft, path);
				locked.add(path);
				await this.#removeDrafts();
				return async () => {
					await rm(path, { force: true });
					locked.delete(path);
				};
			} catch (error) {
				if (!isCode(error, "EEXIST")) throw error;
			} finally {
				await rm(draft, { force: true });
			}
			const text = new TextDecoder().decode((await this.read(LOCK)) ?? new Uint8Array(0));
			const pid = Number(text);
			if (pid > 0 && pid !== process.pid && isAlive(pid)) return null;
			await this.#breakLock(path, text);
		}
	}

	/** Removes a lock that was left behind. Several may find it so: it is taken aside, and put back when somebody has got it meanwhile. */
	async #breakLock(path: string, text: string): Promise<void> {
		const aside = this.#draft();
		try {
			await rename(path, aside);
		} catch (error) {
			if (isAbsent(error)) return;
			throw error;
		}
		try {
			if ((await readFile(aside, "utf8")) !== text) await link(aside, path);
		} catch (error) {
			if (!isCode(error, "EEXIST")) throw error;
		} finally {
			await rm(aside, { force: true });
		}
	}

	/** What those who were killed have left half written. Call with the lock. */
	async #removeDrafts(): Promise<void> {
		for (const name of await readdir(this.#directory)) {
			if (!name.startsWith(DRAFT)) continue;
			const path = join(this.#directory, name);
			const age = Date.now() - (await stat(path).catch(() => ({ mtimeMs: Date.now() }))).mtimeMs;
			if (age > DRAFT_MS) await rm(path, { force: true });
		}
	}

	#draft(): string {
		return join(this.#directory, `${DRAFT}${crypto.randomUUID()}`);
	}

	async read(name: string): Promise<Uint8Array<ArrayBuffer> | null> {
		try {
			const bytes = await readFile(join(this.#directory, name));
			return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
		} catch (error) {
			if (isAbsent(error)) return null;
			throw error;
		}
	}

	/** Beside its place, flushed to the disk, then renamed: what is there after a crash is the old file or the new one. */
	async write(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
		await mkdir(this.#directory, { recursive: true, mode: 0o700 });
		const draft = this.#draft();
		const file = await open(draft, "wx", 0o600);
		try {
			await file.writeFile(bytes);
			await file.sync();
		} finally {
			await file.close();
		}
		await rename(draft, join(this.#directory, name));
	}

	async remove(name: string): Promise<void> {
		await rm(join(this.#directory, name), { force: true });
	}

	async names(prefix: string): Promise<readonly string[]> {
		try {
			const names = await readdir(this.#directory);
			return names.filter((name) => name.startsWith(prefix) && !name.startsWith(DRAFT)).sort();
		} catch (error) {
			if (isAbsent(error)) return [];
			throw error;
		}
	}

	async #readKeys(): Promise<CryptoKeyPair> {
		const pem = await this.read(KEY);
		if (pem) return keysOf(new TextDecoder().decode(pem));
		const keys = await newKeys(true);
		const pkcs8 = Buffer.from(await crypto.subtle.exportKey("pkcs8", keys.privateKey));
		const text = `-----BEGIN PRIVATE KEY-----\n${pkcs8.toString("base64")}\n-----END PRIVATE KEY-----\n`;
		await this.write(KEY, new TextEncoder().encode(text));
		return keys;
	}
}

async function keysOf(pem: string): Promise<CryptoKeyPair> {
	const pkcs8 = Buffer.from(pem.replace(/-----[A-Z ]+-----/g, ""), "base64");
	const privateKey = await crypto.subtle.importKey("pkcs8", pkcs8, "Ed25519", true, ["sign"]);
	const { crv, kty, x } = await crypto.subtle.exportKey("jwk", privateKey);
	const publicKey = await crypto.subtle.importKey("jwk", { crv, kty, x } as JsonWebKey, "Ed25519", true, ["verify"]);
	return { privateKey, publicKey };
}

function isAlive(pid: number): boolean {
	try {
		process.kill(pid, 0);
	} catch (error) {
		// Another user's process is one, too.
		if (!isCode(error, "EPERM")) return false;
	}
	return !hasEnded(pid);
}

/** Whether it was not waited for yet: in a container without an init, one that was killed stays so. Only Linux tells. */
function hasEnded(pid: number): boolean {
	try {
		const status = readFileSync(`/proc/${pid}/stat`, "utf8");
		// The name before the state stands in brackets and may hold some.
		return /^[ZX]/.test(status.slice(status.lastIndexOf(") ") + 2));
	} catch {
		return false;
	}
}

function isAbsent(error: unknown): boolean {
	return isCode(error, "ENOENT");
}

function isCode(error: unknown, code: string): boolean {
	return (error as NodeJS.ErrnoException).code === code;
}
