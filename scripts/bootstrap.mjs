// Starts a command of this project with the Node and the packages it needs, from a fresh clone as well:
//   node scripts/bootstrap.mjs <node | package> [arguments]
// Plain JavaScript that old versions of Node can read, since its first task is to say that one is too old.
import { spawn } from "child_process";
import * as fs from "fs";
import * as path from "path";
import { fileURLToPath } from "url";

const PROJECT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const MODULES = path.join(PROJECT, "node_modules");
/** What npm needs to install. On Linux the project then runs on the Node that it installed. */
const INSTALLER_NODE = "18.0.0";
/** node_modules on Linux, measured; the lockfile does not say. */
const INSTALLED_MB = 680;
const GLIBC = { x64: "/lib64/ld-linux-x86-64.so.2", arm64: "/lib/ld-linux-aarch64.so.1" };
const PARENT_CHECK_MS = 500;
const FORWARDED = ["SIGINT", "SIGTERM", "SIGHUP"];

main(process.argv.slice(2)).catch((error) => {
	console.error(error.message);
	process.exitCode = 1;
});

async function main([name, ...rest]) {
	if (!name) throw new Error("usage: node scripts/bootstrap.mjs <node | package> [arguments]");
	const { engines } = readJson(path.join(PROJECT, "package.json"));
	const needed = engines.node.replace(">=", "");
	const bringsNode = process.platform === "linux" && process.arch in GLIBC;
	if (!isAtLeast(bringsNode ? INSTALLER_NODE : needed)) {
		throw new Error(
			`Isobar needs Node ${bringsNode ? "18" : needed} or newer, and this is ${process.version}: https://nodejs.org`,
		);
	}
	if (bringsNode && !fs.existsSync(GLIBC[process.arch])) {
		throw new Error(`Isobar needs a Linux with glibc (${GLIBC[process.arch]}), as Cloudflare's runtime does.`);
	}
	if (!isInstalled()) await install();
	const node = findNode(needed);
	const env = { ...process.env, PATH: path.join(MODULES, ".bin") + path.delimiter + process.env.PATH };
	const child = spawn(node, [...(name === "node" ? [] : [binOf(name)]), ...rest], { stdio: "inherit", env });
	const { code, signal } = await ended(child);
	if (signal) process.kill(process.pid, signal);
	else process.exitCode = code;
}

function readJson(file) {
	return JSON.parse(fs.readFileSync(file, "utf8"));
}

function isAtLeast(needed) {
	const have = process.versions.node.split(".").map(Number);
	const want = needed.split(".").map(Number);
	const i = [0, 1, 2].find((at) => have[at] !== (want[at] || 0));
	return i === undefined || have[i] > (want[i] || 0);
}

/** Whether every package of the lockfile that is not optional is in node_modules in the version that it names. */
function isInstalled() {
	// npm writes this file last, so an interrupted installation has none.
	const hidden = path.join(MODULES, ".package-lock.json");
	if (!fs.existsSync(hidden)) return false;
	const present = readJson(hidden).packages;
	return Object.entries(readJson(path.join(PROJECT, "package-lock.json")).packages).every(
		([key, { version, optional }]) => key === "" || (present[key] ? present[key].version === version : optional),
	);
}

async function install() {
	console.error(`Installing the dependencies into node_modules (about ${INSTALLED_MB} MB, once).`);
	const npm = process.env.npm_execpath || "";
	const flags = ["ci", "--loglevel=error", "--no-progress"];
	const options = { cwd: PROJECT, stdio: ["ignore", "pipe", "pipe"] };
	const child = npm.endsWith("npm-cli.js")
		? spawn(process.execPath, [npm, ...flags], options)
		: spawn("npm", flags, { ...options, shell: process.platform === "win32" });
	let output = "";
	child.stdout.on("data", (chunk) => (output += chunk));
	child.stderr.on("data", (chunk) => (output += chunk));

	const terminal = process.stderr.isTTY;
	const started = Date.now();
	const seconds = () => Math.round((Date.now() - started) / 1000);
	const progress = setInterval(
		() => {
			const line = `  ${seconds()} s, ${megabytesIn(MODULES, new Set())} MB on disk`;
			process.stderr.write(terminal ? `\r${line} ` : `${line}\n`);
		},
		terminal ? 1000 : 5000,
	);
	const { code, signal } = await ended(child);
	clearInterval(progress);
	if (terminal) process.stderr.write("\r\x1b[K");
	if (signal) process.kill(process.pid, signal);
	if (code !== 0) throw new Error(`${output.trim()}\n\nThe installation failed: npm ci ended with ${signal || code}.`);
	console.error(`Installed ${megabytesIn(MODULES, new Set())} MB in ${seconds()} s.`);
}

/** Hard links count once. A file that npm removes meanwhile counts nothing. */
function megabytesIn(directory, seen) {
	let bytes = 0;
	const walk = (folder) => {
		for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
			const file = path.join(folder, entry.name);
			try {
				if (entry.isDirectory()) walk(file);
				else if (entry.isFile()) {
					const { ino, size, nlink } = fs.statSync(file);
					if (nlink === 1 || !seen.has(ino)) bytes += size;
					seen.add(ino);
				}
			} catch {
				continue;
			}
		}
	};
	if (fs.existsSync(directory)) walk(directory);
	return Math.round(bytes / 1e6);
}

/** The Node that npm installed, or else this one. */
function findNode(needed) {
	const installed = path.join(MODULES, `node-linux-${process.arch}`, "bin", "node");
	if (process.platform === "linux" && fs.existsSync(installed)) return installed;
	if (isAtLeast(needed)) return process.execPath;
	throw new Error(
		`Isobar needs Node ${needed} or newer, and this is ${process.version}. The package node-linux-${process.arch} would bring it; ` +
			"install without --omit=optional.",
	);
}

function binOf(name) {
	const { bin } = readJson(path.join(MODULES, name, "package.json"));
	return path.join(MODULES, name, typeof bin === "string" ? bin : bin[name]);
}

/** Waits for the end of a child, to which this process passes on what it is told meanwhile. */
function ended(child) {
	const forward = (signal) => child.kill(signal);
	FORWARDED.forEach((signal) => process.on(signal, forward));
	// npm tells its shell to end, which does so without telling us.
	const parent = process.ppid;
	const watch = setInterval(() => {
		if (!process.env.npm_lifecycle_event || process.ppid === parent) return;
		// Once: a second one would tell the command to end at once.
		clearInterval(watch);
		forward("SIGTERM");
	}, PARENT_CHECK_MS);
	return new Promise((resolve, reject) => {
		child.on("error", reject);
		child.on("close", (code, signal) => {
			clearInterval(watch);
			FORWARDED.forEach((each) => process.off(each, forward));
			resolve({ code, signal });
		});
	});
}
