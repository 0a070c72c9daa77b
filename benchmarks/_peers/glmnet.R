# Serves one stored problem. A line of standard input is a request,
# "thresh update file folds"; the answer is "seconds s" on standard output. With no
# folds: a path without intercept, coefficients as three binary files (values, row
# indices, column pointers). Else: cross-validation with an intercept over
# consecutive folds, the mean squared errors as one binary file.
suppressPackageStartupMessages({library(methods); library(Matrix); library(glmnet)})
folder <- commandArgs(trailingOnly = TRUE)[1]

read_npy <- function(name) {
  con <- file(file.path(folder, paste0(name, ".npy")), "rb")
  on.exit(close(con))
  head <- readBin(con, "raw", 10)
  bytes <- as.integer(head[9]) + 256L * as.integer(head[10])
  text <- rawToChar(readBin(con, "raw", bytes))
  kind <- sub(".*'descr': *'([^']*)'.*", "\\1", text)
  shape <- sub(".*'shape': *\\(([^)]*)\\).*", "\\1", text)
  shape <- as.numeric(strsplit(gsub(" ", "", shape), ",")[[1]])
  size <- as.integer(substr(kind, 3, 3))
  what <- if (substr(kind, 2, 2) == "f") "double" else "integer"
  values <- readBin(con, what, prod(shape), size = size, endian = "little")
  if (length(shape) == 2) dim(values) <- shape
  values
}

if (file.exists(file.path(folder, "X.npy"))) {
  X <- read_npy("X")
} else {
  json <- readLines(file.path(folder, "problem.json"), warn = FALSE)
  shape <- sub('.*"shape": *\\[([^]]*)\\].*', "\\1", json)
  shape <- as.integer(strsplit(gsub(" ", "", shape), ",")[[1]])
  X <- sparseMatrix(i = read_npy("indices"), p = read_npy("indptr"),
                    x = read_npy("data"), dims = shape, index1 = FALSE)
}
y <- read_npy("y")
survival <- is.matrix(y)  # times and events
y <- if (survival) survival::Surv(y[, 1], y[, 2]) else as.double(y)
alphas <- as.double(read_npy("alphas"))

requests <- file("stdin", open = "r")
while (length(line <- readLines(requests, n = 1)) == 1) {
  words <- strsplit(line, " ")[[1]]
  invisible(gc())
  folds <- as.integer(words[4])
  settings <- list(x = X, y = y, lambda = alphas, standardize = FALSE,
                   intercept = folds > 0, thresh = as.double(words[1]),
                   type.gaussian = words[2], maxit = 1e9)
  if (!survival && all(y %in% c(-1, 1))) {
    settings$type.gaussian <- NULL
    settings$type.logistic <- words[2]
    settings$family <- "binomial"
  }
  if (survival) {
    settings[c("intercept", "type.gaussian")] <- NULL
    settings$family <- "cox"
  }
  if (folds > 0) {
    n <- length(y)
    sizes <- n %/% folds + (seq_len(folds) <= n %% folds)
    settings$foldid <- rep(seq_len(folds), sizes)
  }
  solve <- if (folds > 0) cv.glmnet else glmnet
  start <- as.numeric(Sys.time())
  fit <- do.call(solve, settings)
  seconds <- as.numeric(Sys.time()) - start
  if (folds > 0) {
    parts <- list(cvm = fit$cvm)
  } else {
    beta <- as(fit$beta, "CsparseMatrix")
    parts <- list(x = beta@x, i = beta@i, p = beta@p)
  }
  for (part in names(parts)) {
    con <- file(paste0(words[3], ".", part), "wb")
    writeBin(parts[[part]], con)
    close(con)
  }
  cat("seconds", format(seconds, digits = 15), "\n")
  flush(stdout())
}
