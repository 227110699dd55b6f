terraform {
  required_version = ">= 1.9"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
  # The bucket and the lock table exist before anything else: terraform init -backend-config=prod.s3.tfbackend
  backend "s3" {}
}

provider "aws" {
  region = var.region
  default_tags {
    tags = { project = "kubetrader", environment = var.environment }
  }
}
