// Served as the package's worker where a test holds answers.
import '/held/in-worker.js';
import '/llamita/own-worker.js';
